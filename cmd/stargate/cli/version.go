package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/discovery"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// version and commit are set by the linker: -X stargate.io/stargate/cmd/stargate/cli.version=…
var (
	version string
	commit  string
)

// versionReport is what `stargate version -o json` prints.
type versionReport struct {
	render.Header
	Client clientVersion  `json:"client"`
	Server *serverVersion `json:"server,omitempty"`
}

type clientVersion struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

type serverVersion struct {
	Kubernetes string   `json:"kubernetes"`
	Kinds      []string `json:"kinds"`
}

func (a *App) versionCommand() *cobra.Command {
	var output string
	var clientOnly bool
	command := &cobra.Command{
		Use:   "version",
		Short: "Tell the versions of this binary and of what the cluster has",
		Args:  exactly(0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			return a.showVersion(output, clientOnly)
		},
	}
	a.outputFlag(command, &output, render.JSON, render.YAML)
	command.Flags().BoolVar(&clientOnly, "client", false, "Ask no cluster")
	return command
}

func (a *App) showVersion(output string, clientOnly bool) error {
	if err := checkOutput(output, render.JSON, render.YAML); err != nil {
		return err
	}
	report := versionReport{Header: render.HeaderOf("Version"), Client: thisBinary()}
	var failed error
	if !clientOnly {
		report.Server, failed = a.serverVersion()
	}
	if output != "" {
		if err := render.Structured(a.out, output, report); err != nil {
			return err
		}
		return failed
	}
	a.say("stargate     %s", report.Client.describe())
	if report.Server != nil {
		a.say("kubernetes   %s", report.Server.Kubernetes)
		a.say("kinds        %s", render.Or(strings.Join(report.Server.Kinds, ", "), "none: "+a.name+" install --apply"))
	}
	return failed
}

func (c clientVersion) describe() string {
	text := c.Version
	if c.Commit != "" {
		text += " (" + c.Commit + ")"
	}
	return text + " " + c.Go + " " + c.Platform
}

func (a *App) serverVersion() (*serverVersion, error) {
	asked, err := a.discovery()
	if err != nil {
		return nil, err
	}
	info, err := asked.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("asking the API server for its version: %w", err)
	}
	kinds, err := servedKinds(asked)
	return &serverVersion{Kubernetes: info.GitVersion, Kinds: kinds}, err
}

// servedKinds lists our kinds as the server has them, in a stable order.
func servedKinds(asked discovery.DiscoveryInterface) ([]string, error) {
	groups, err := asked.ServerGroups()
	if err != nil {
		return nil, fmt.Errorf("asking the API server for its groups: %w", err)
	}
	kinds := []string{}
	for _, group := range groups.Groups {
		if group.Name != v1alpha1.GroupVersion.Group {
			continue
		}
		for _, served := range group.Versions {
			resources, err := asked.ServerResourcesForGroupVersion(served.GroupVersion)
			if err != nil {
				return nil, fmt.Errorf("asking the API server for %s: %w", served.GroupVersion, err)
			}
			for _, resource := range resources.APIResources {
				if !strings.Contains(resource.Name, "/") {
					kinds = append(kinds, resource.Kind+"/"+served.Version)
				}
			}
		}
	}
	slices.Sort(kinds)
	return kinds, nil
}

func thisBinary() clientVersion {
	revision := commit
	if revision == "" {
		revision = stampedRevision()
	}
	return clientVersion{
		Version: buildVersion(), Commit: revision, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}

// buildVersion is the linker's word, or the module's.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// stampedRevision is what `go build` noted of the checkout.
func stampedRevision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	revision, modified := "", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			revision = setting.Value[:min(len(setting.Value), 12)]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			modified = "+changes"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + modified
}
