package source

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // known_hosts hashes its names so
	"encoding/base64"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// knownHost is what known_hosts says of one host.
type knownHost struct {
	name          string
	keys, revoked []ssh.PublicKey
}

// findHost reads known_hosts, from memory, for one host.
func findHost(file []byte, host, port string) (*knownHost, error) {
	if len(bytes.TrimSpace(file)) == 0 {
		return nil, failure(Auth, "check the server's key, then put the output of ssh-keyscan there, in the Secret that spec.credentialsRef names",
			"the key %s is missing: without it the server could be anybody", KeyKnownHosts)
	}
	k := &knownHost{name: strings.ToLower(host)}
	if port != "22" {
		k.name = "[" + k.name + "]:" + port
	}
	certs, err := k.read(file)
	switch {
	case err != nil:
		return nil, err
	case len(k.keys) == 0 && certs:
		return nil, keyProblem(KeyKnownHosts, "has only a @cert-authority for "+brief(k.name)+", which is not read: put the host's own key there")
	case len(k.keys) == 0:
		return nil, failure(Auth, "check the server's key, then add the output of ssh-keyscan",
			"%s in the Secret has no line for %s", KeyKnownHosts, brief(k.name))
	}
	return k, nil
}

// read the lines for the host, and tell whether one of them names an authority.
func (k *knownHost) read(file []byte) (certs bool, err error) {
	for rest := file; ; {
		marker, hosts, key, _, next, err := ssh.ParseKnownHosts(rest)
		if errors.Is(err, io.EOF) {
			return certs, nil
		}
		if err != nil {
			return false, keyProblem(KeyKnownHosts, "has a line that is none of known_hosts")
		}
		rest = next
		if !matches(hosts, k.name) {
			continue
		}
		switch marker {
		case "":
			k.keys = append(k.keys, key)
		case "revoked":
			k.revoked = append(k.revoked, key)
		default:
			certs = true
		}
	}
}

// matches a host's name with the patterns of one line.
func matches(patterns []string, name string) bool {
	found := false
	for _, p := range patterns {
		p, not := strings.CutPrefix(p, "!")
		if !matchesOne(p, name) {
			continue
		}
		if not {
			return false
		}
		found = true
	}
	return found
}

func matchesOne(pattern, name string) bool {
	if hashed, ok := strings.CutPrefix(pattern, "|1|"); ok {
		salt, sum, _ := strings.Cut(hashed, "|")
		s, err1 := base64.StdEncoding.DecodeString(salt)
		want, err2 := base64.StdEncoding.DecodeString(sum)
		if err1 != nil || err2 != nil {
			return false
		}
		mac := hmac.New(sha1.New, s)
		_, _ = io.WriteString(mac, name)
		return hmac.Equal(mac.Sum(nil), want)
	}
	pattern = strings.ToLower(pattern)
	if host, port, err := net.SplitHostPort(pattern); err == nil && port == "22" && strings.HasPrefix(pattern, "[") {
		pattern = host
	}
	return wild(pattern, name)
}

// wild matches * and ?, without going back further than the last star.
func wild(pattern, name string) bool {
	p, n, star, mark := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p, n = p+1, n+1
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// algorithms that the server is asked to show its key in: those of which we know one.
func (k *knownHost) algorithms() []string {
	var out []string
	for _, key := range k.keys {
		kinds := []string{key.Type()}
		if key.Type() == ssh.KeyAlgoRSA {
			kinds = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		}
		for _, kind := range kinds {
			if !slices.Contains(out, kind) {
				out = append(out, kind)
			}
		}
	}
	return out
}

// check the key that a server shows.
func (k *knownHost) check(key ssh.PublicKey) error {
	is := func(other ssh.PublicKey) bool { return bytes.Equal(key.Marshal(), other.Marshal()) }
	switch {
	case slices.ContainsFunc(k.revoked, is):
		return failure(Auth, "do not trust this server", "%s in the Secret says that the server's key %s is revoked", KeyKnownHosts, ssh.FingerprintSHA256(key))
	case slices.ContainsFunc(k.keys, is):
		return nil
	}
	return failure(Auth, "find out why; if the server's key was changed on purpose, put its new line of ssh-keyscan there",
		"the server's key is %s, which is not what %s in the Secret has for %s: somebody may be in between",
		ssh.FingerprintSHA256(key), KeyKnownHosts, brief(k.name))
}
