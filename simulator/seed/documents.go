package seed

import (
	"bytes"
	_ "embed" // the reporter
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// program is the reporter, and boothook what installs it.
var (
	//go:embed reporter.sh
	program []byte
	//go:embed boothook
	boothook []byte
)

// vendorData is a boothook, which user-data's runcmd and merging rules do not touch. User data that switches vendor data
// off switches it off too; such a machine is judged by its console and network.
var vendorData = bytes.Replace(boothook, []byte("@REPORTER@"), program, 1)

// metaData is the profile's, with an instance-id that is ours and a host name where it has none.
func (s Seed) metaData() ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	if len(s.MetaData) > 0 {
		read, err := readMapping("metaData", s.MetaData)
		if err != nil {
			return nil, err
		}
		root = read
	}
	set(root, "instance-id", s.InstanceID, true)
	set(root, "local-hostname", s.Server.Name, false)
	text, err := yaml.Marshal(root)
	if err != nil {
		return nil, refuse("metaData: it cannot be written again as YAML; take anchors and tags out")
	}
	return text, nil
}

// set a key of a mapping, or only where it is missing.
func set(mapping *yaml.Node, key, value string, over bool) {
	text := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Style: yaml.DoubleQuotedStyle}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value != key {
			continue
		}
		if over {
			mapping.Content[i+1] = text
		}
		return
	}
	mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, text)
}

// networkConfig is the profile's, or the server's address on the interface that has its MAC.
func (s Seed) networkConfig() ([]byte, error) {
	if len(s.NetworkData) > 0 {
		return s.NetworkData, checkNetworkData(s.NetworkData)
	}
	var text strings.Builder
	// Renderers match by name and MAC: the name that it shall have makes the two agree.
	fmt.Fprintf(&text, "version: 2\nethernets:\n  eth0:\n    match: {macaddress: %q}\n    set-name: eth0\n    addresses: [%q]\n",
		s.Server.MAC, fmt.Sprintf("%s/%d", s.Server.IPv4, s.Network.PrefixLen))
	if s.Network.Gateway.IsValid() {
		fmt.Fprintf(&text, "    routes: [{to: \"0.0.0.0/0\", via: %q}]\n", s.Network.Gateway)
	}
	if len(s.Network.DNS) > 0 {
		fmt.Fprintf(&text, "    nameservers: {addresses: [")
		for i, server := range s.Network.DNS {
			fmt.Fprintf(&text, "%s%q", strings.Repeat(", ", min(i, 1)), server)
		}
		fmt.Fprintf(&text, "]}\n")
	}
	return []byte(text.String()), nil
}

func checkNetworkData(text []byte) error {
	root, err := readMapping("networkData", text)
	if err != nil {
		return err
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "version" || root.Content[i].Value == "network" {
			return nil
		}
	}
	return refuse(`networkData: it has no "version" at its top: give cloud-init's network configuration, version 1 or 2`)
}

// headers by which cloud-init knows what user data is. What has none of them it drops with a warning that nobody sees.
var headers = []string{
	"#!", "#include", "#include-once", "#cloud-config", "#cloud-config-archive", "#cloud-config-jsonp", "#cloud-boothook", "#part-handler",
	"#upstart-job", "## template:", "content-type:", "mime-version:",
}

var gzipped = []byte{0x1f, 0x8b}

// checkUserData refuses what cloud-init would not know, and a cloud-config that is no YAML.
func checkUserData(text []byte) error {
	if len(text) > MaxDocument {
		return tooLong("userData", text)
	}
	if len(text) == 0 || bytes.HasPrefix(text, gzipped) {
		return nil
	}
	if err := checkText("userData", text); err != nil {
		return err
	}
	first, _, _ := strings.Cut(strings.TrimLeft(string(text), " \t\r\n"), "\n")
	first = strings.ToLower(strings.TrimSpace(first))
	known := false
	for _, header := range headers {
		known = known || strings.HasPrefix(first, header)
	}
	if !known {
		return refuse(`userData: its first line is no header that cloud-init knows: begin it with "#cloud-config", "#!/bin/sh" or the like`)
	}
	if kind, _, _ := strings.Cut(first, " "); kind == "#cloud-config" {
		_, err := readMapping("userData", text)
		return err
	}
	return nil
}

// checkText refuses bytes that are no text.
func checkText(name string, text []byte) error {
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return refuse("%s: it is not UTF-8 text", name)
	}
	return nil
}

func tooLong(name string, text []byte) error {
	return refuse("%s: it is %d bytes long, and at most %d are taken: have it fetch the rest itself", name, len(text), MaxDocument)
}

// readMapping reads a YAML document whose top is a mapping. Nodes are read and no values, so that aliases that multiply
// cost nothing.
func readMapping(name string, text []byte) (*yaml.Node, error) {
	if len(text) > MaxDocument {
		return nil, tooLong(name, text)
	}
	if err := checkText(name, text); err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) { // comments only
		return &yaml.Node{Kind: yaml.MappingNode}, nil
	}
	if err != nil {
		return nil, refuse("%s: it is not valid YAML%s", name, where(err))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, refuse("%s: there is more than one YAML document in it (---), or what follows the first is none%s", name, where(err))
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, refuse("%s: its top is to be a YAML mapping (key: value)", name)
	}
	return document.Content[0], nil
}

var lineNumber = regexp.MustCompile(`line (\d+)`)

// where is the line that a YAML error names, and nothing else of it: it may repeat what is in the document.
func where(err error) string {
	if err == nil {
		return ""
	}
	if found := lineNumber.FindString(err.Error()); found != "" {
		return ", near " + found
	}
	return ""
}
