package stage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
)

// The world: two datacenters, a namespace each.
const (
	west = "demo-west"
	east = "demo-east"

	oldOS, newOS = "2.0.0", "2.1.0"
	profile      = "web"
	// unlucky is the server whose first repave fails.
	unlucky = "server-003"
	label   = "stargate.io/demo"
)

// plan says what a datacenter is.
type plan struct {
	name, api string
	number    int // so that no two servers share an address
	servers   int
	limit     int32
	faults    []string
}

var plans = []plan{
	{west, "v2", 1, 12, 6, []string{"kind=fail-job,server=" + unlucky + ",stage=download,count=1"}},
	{east, "v1", 2, 8, 4, nil},
}

func (d *demo) startWorld(ctx context.Context) error {
	servers := 0
	for _, plan := range plans {
		s, err := openSite(ctx, d.crew, plan.name, plan.api, plan.faults)
		if err != nil {
			return err
		}
		s.limit = int(plan.limit)
		s.total = plan.servers
		d.sites = append(d.sites, s)
		objects := plan.fleet(s.url)
		if err := d.create(ctx, plan.name+".yaml", objects); err != nil {
			return err
		}
		servers += plan.servers
	}
	args := append(d.cluster.flags(), "run", "--leader-elect=false", "--metrics-address=0", "--health-address=0",
		"--namespaces", west+","+east)
	if _, err := d.crew.start("controller", "stargate", args...); err != nil {
		return err
	}
	d.told("world", "2 datacenters (%s speaks API v1), %d servers", east, servers)
	return nil
}

// fleet is a namespace with what belongs to a datacenter.
func (p plan) fleet(url string) []client.Object {
	name, site := p.name, p.number
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{label: "true"}}},
		&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: strings.TrimPrefix(name, "demo-")},
			Spec: v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverDCAPI, Endpoint: url,
				Limits: v1alpha1.DatacenterLimits{ConcurrentOperations: p.limit}}},
		&v1alpha1.ProvisioningProfile{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: profile},
			Spec: v1alpha1.ProvisioningProfileSpec{OSVersion: newOS, OSImage: "https://images.example.com/os-" + newOS + ".img"}},
	}
	for n := 1; n <= p.servers; n++ {
		objects = append(objects, &v1alpha1.Server{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: fmt.Sprintf("server-%03d", n), Labels: map[string]string{"rack": fmt.Sprintf("r%d", (n+3)/4)}},
			Spec: v1alpha1.ServerSpec{MAC: fmt.Sprintf("aa:bb:cc:dd:%02x:%02x", site, n), IPv4: fmt.Sprintf("10.0.%d.%d", site, n),
				Inventory: v1alpha1.Inventory{SKU: "GPU-8xH100", Location: fmt.Sprintf("rack-%d-slot-%d", (n+3)/4, (n-1)%4+1)}},
		})
	}
	return objects
}

// ask makes an Operation for each server.
func (d *demo) ask(ctx context.Context) error {
	total := 0
	for _, plan := range plans {
		var objects []client.Object
		for n := 1; n <= plan.servers; n++ {
			name := fmt.Sprintf("server-%03d", n)
			objects = append(objects, &v1alpha1.Operation{
				ObjectMeta: metav1.ObjectMeta{Namespace: plan.name, Name: "repave-" + name},
				Spec: v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: name}, Operation: v1alpha1.ActionRepave,
					ProvisioningProfileRef: &v1alpha1.LocalReference{Name: profile}, Retries: 1},
			})
		}
		if err := d.create(ctx, plan.name+"-operations.yaml", objects); err != nil {
			return err
		}
		total += plan.servers
	}
	d.told("ask", "%d Operations: repave with profile %s, OS %s", total, profile, newOS)
	return nil
}

// create makes objects, and keeps them as a file that kubectl could have applied.
func (d *demo) create(ctx context.Context, file string, objects []client.Object) error {
	var text strings.Builder
	for _, object := range objects {
		kinds, _, err := d.cluster.Scheme().ObjectKinds(object)
		if err != nil {
			return fmt.Errorf("naming a kind: %w", err)
		}
		object.GetObjectKind().SetGroupVersionKind(kinds[0])
		document, err := yaml.Marshal(object)
		if err != nil {
			return fmt.Errorf("writing %s: %w", file, err)
		}
		text.WriteString("---\n" + string(document))
		if err := d.cluster.Create(ctx, object); err != nil {
			return fmt.Errorf("creating %s %s: %w", kinds[0].Kind, client.ObjectKeyFromObject(object), err)
		}
	}
	if err := os.WriteFile(filepath.Join(d.dir, file), []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}
