package preflight

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/cmd/stargate/render"
)

// Inputs are the cluster and what this binary would install.
type Inputs struct {
	// Reader of everything; it asks the API server itself.
	Reader client.Reader
	// Writer is used for access reviews only, which the API server answers and keeps nothing of.
	Writer client.Writer
	// Discovery of what the API server serves.
	Discovery discovery.DiscoveryInterface
	// Host is the API server's address, for messages.
	Host string
	// Namespace to look into; empty for all.
	Namespace string
	// LeaseNamespace holds the Lease that controllers contend for.
	LeaseNamespace string
	// Now is the time.
	Now func() time.Time
	// Command is what to type, for the mends.
	Command string
	// CRDs, RBAC and Admission are what this binary would install.
	CRDs, RBAC, Admission []*unstructured.Unstructured
}

// step fills one group of the report. Before says that it is asked before an installation.
type step struct {
	group  string
	before bool
	after  bool
	run    func(ctx context.Context, in *Inputs, r reporter)
}

func steps() []step {
	return []step{
		{"kubernetes", true, true, admissionServed},
		{"permissions", true, false, mayInstall},
		{"installation", false, true, installed},
		{"guards", false, true, guardsInForce},
		{"permissions", false, true, mayUse},
		{"controller", false, true, controllerAlive},
		{"datacenters", false, true, datacentersAnswer},
		{"servers", false, true, identitiesUnique},
		{"fleets", false, true, fleetsFollowed},
		{"rollouts", false, true, rolloutsGoOn},
	}
}

// Run asks everything. Before an installation it asks only what that needs.
func Run(ctx context.Context, in *Inputs, before bool) *Report {
	report := &Report{Header: render.HeaderOf("Check"), OK: true, Checks: []Check{}}
	reachable := apiServerAnswers(in, reporter{report, "kubernetes"})
	for _, step := range steps() {
		if (before && !step.before) || (!before && !step.after) {
			continue
		}
		r := reporter{report, step.group}
		if !reachable {
			r.skipped(step.group, "not asked", "mend what failed above")
			continue
		}
		step.run(ctx, in, r)
	}
	return report
}

func apiServerAnswers(in *Inputs, r reporter) bool {
	version, err := in.Discovery.ServerVersion()
	if err != nil {
		r.fail("API server", err.Error(), "check --context, --kubeconfig and the network to "+in.Host)
		return false
	}
	r.ok("API server", version.GitVersion+" at "+in.Host)
	return true
}
