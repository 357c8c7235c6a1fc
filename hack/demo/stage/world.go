package stage

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"stargate.io/stargate/api/v1alpha1"
)

// The world: two datacenters, a namespace each, and a fleet.
const (
	west = "demo-west"
	east = "demo-east"

	fleetName    = "stargate-demo"
	fleetExample = "fleet-example"

	oldOS, newOS = "2.0.0", "2.1.0"
	// changed is the group that gets newOS.
	changed = "web"
	// unlucky is the server whose first repave fails.
	unlucky = "web-003"
	label   = "stargate.io/demo"
)

// plan says what a datacenter is: a folder of fleet-example.
type plan struct {
	// name of its namespace here, and the one that the example gives it, with the last digit of its port.
	name, example, port string
	api                 string
	limit               int
	faults              []string
}

var plans = []plan{
	{name: west, example: "dc-west", port: "0", api: "v2", limit: 8, faults: []string{"kind=fail-job,server=" + unlucky + ",stage=download,count=1"}},
	{name: east, example: "dc-east", port: "1", api: "v1", limit: 6},
}

// startWorld starts the datacenters, the git server and the controller.
func (d *demo) startWorld(ctx context.Context) error {
	for _, plan := range plans {
		s, err := openSite(ctx, d.crew, plan)
		if err != nil {
			return err
		}
		d.sites = append(d.sites, s)
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: plan.name, Labels: map[string]string{label: "true"}}}
		if err := d.cluster.Create(ctx, namespace); err != nil {
			return fmt.Errorf("creating namespace %s: %w", plan.name, err)
		}
	}
	if err := d.openRepository(ctx); err != nil {
		return err
	}
	args := append(d.cluster.flags(), "run", "--leader-elect=false", "--metrics-address=0", "--health-address=0",
		"--namespaces", west+","+east, "--fleets", fleetName)
	if _, err := d.crew.start("controller", "stargate", args...); err != nil {
		return err
	}
	d.told("world", "2 datacenters (%s speaks API v1), a git server with a copy of %s", east, fleetExample)
	return nil
}

// fleet that follows the repository. A new OS for the web servers, four of five, is to pass the guard.
func (d *demo) fleet() *v1alpha1.Fleet {
	most := intstr.FromString("80%")
	return &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: fleetName, Labels: map[string]string{label: "true"}},
		Spec: v1alpha1.FleetSpec{URL: d.repo.url, Ref: &v1alpha1.GitRef{Branch: branch}, Prune: true, Guard: v1alpha1.Guard{MaxRepaves: &most}}}
}
