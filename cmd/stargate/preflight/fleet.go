package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

const (
	pageSize = 500
	// leaseName is what the controllers contend for (engine.Run).
	leaseName = "stargate"
	// clockSkew between this machine and the leader's that is nobody's fault.
	clockSkew = 30 * time.Second
	// probePatience with one site.
	probePatience = 10 * time.Second
)

// controllerAlive looks at the Lease that controllers contend for.
func controllerAlive(ctx context.Context, in *Inputs, r reporter) {
	const name = "leader"
	lease := &coordinationv1.Lease{}
	err := in.Reader.Get(ctx, types.NamespacedName{Namespace: in.LeaseNamespace, Name: leaseName}, lease)
	start := in.Command + " run, or look at the Deployment in namespace " + in.LeaseNamespace
	switch {
	case apierrors.IsForbidden(err):
		r.skipped(name, "you may not read the Lease in namespace "+in.LeaseNamespace, "ask somebody who may")
		return
	case apierrors.IsNotFound(err):
		r.fail(name, "no controller has ever led here (one with --leader-elect=false leaves no Lease)", start)
		return
	case err != nil:
		r.fail(name, err.Error(), "try again")
		return
	}
	holder := ""
	if lease.Spec.HolderIdentity != nil {
		holder = *lease.Spec.HolderIdentity
	}
	if holder == "" || lease.Spec.RenewTime == nil || lease.Spec.LeaseDurationSeconds == nil {
		r.fail(name, "the last leader stopped and gave its Lease back", start)
		return
	}
	age := in.Now().Sub(lease.Spec.RenewTime.Time)
	valid := time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
	if age > valid+clockSkew {
		r.fail(name, fmt.Sprintf("%s last renewed its Lease %s ago", holder, age.Round(time.Second)), start)
		return
	}
	r.ok(name, fmt.Sprintf("%s, renewed %s ago", holder, max(age, 0).Round(time.Second)))
}

// datacentersAnswer tells what the controller found, and what this machine finds.
func datacentersAnswer(ctx context.Context, in *Inputs, r reporter) {
	found := 0
	err := eachPage(ctx, in, &v1alpha1.DatacenterList{}, func(page client.ObjectList) {
		list, _ := page.(*v1alpha1.DatacenterList)
		for i := range list.Items {
			found++
			checkSite(ctx, in, r, &list.Items[i])
		}
	})
	switch {
	case err != nil:
		r.fail("list", err.Error(), "mend what failed above")
	case found == 0:
		r.warn("list", "there is no Datacenter: only a controller with --dc-url reaches servers", "create a Datacenter with spec.endpoint")
	}
}

func checkSite(ctx context.Context, in *Inputs, r reporter, dc *v1alpha1.Datacenter) {
	name := dc.Namespace + "/" + dc.Name
	edit := fmt.Sprintf("kubectl edit datacenter %s -n %s", dc.Name, dc.Namespace)
	reachable := meta.FindStatusCondition(dc.Status.Conditions, v1alpha1.ConditionReachable)
	switch {
	case reachable == nil || reachable.ObservedGeneration != dc.Generation:
		r.warn(name+" from the controller", "not looked at yet", "see the group controller")
	case reachable.Status == metav1.ConditionTrue:
		r.ok(name+" from the controller", reachable.Message)
	default:
		r.fail(name+" from the controller", reachable.Reason+": "+reachable.Message, edit)
	}
	once := meta.FindStatusCondition(dc.Status.Conditions, v1alpha1.ConditionExactlyOnce)
	if once != nil && once.Status == metav1.ConditionFalse {
		r.warn(name+" exactly once", once.Message, "move the site to version 2 of the DC API")
	}
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	began := in.Now()
	version, err := probe(ctx, in.Reader, dc)
	switch {
	case apierrors.IsForbidden(err):
		r.skipped(name+" from here", "you may not read its Secrets", "trust what the controller found")
	case err != nil:
		// The controller may well reach what this machine does not.
		r.warn(name+" from here", err.Error(), "fine where only the controller can reach the site; else "+edit)
	default:
		r.ok(name+" from here", fmt.Sprintf("answers, API %s, in %s", version, in.Now().Sub(began).Round(time.Millisecond)))
	}
}

// identitiesUnique finds Servers that claim to be the same machine.
func identitiesUnique(ctx context.Context, in *Inputs, r reporter) {
	var servers []*v1alpha1.Server
	err := eachPage(ctx, in, &v1alpha1.ServerList{}, func(page client.ObjectList) {
		list, _ := page.(*v1alpha1.ServerList)
		for i := range list.Items {
			servers = append(servers, &list.Items[i])
		}
	})
	if err != nil {
		r.fail("identities", err.Error(), "mend what failed above")
		return
	}
	conflicts := Conflicts(servers)
	for _, conflict := range conflicts {
		names := strings.Join(conflict.Servers, ", ")
		r.fail("identities", fmt.Sprintf("%s in namespace %s share %s: every Operation on them is held", names, conflict.Namespace, conflict.What),
			fmt.Sprintf("correct the one that is wrong: kubectl edit server %s -n %s", conflict.Servers[len(conflict.Servers)-1], conflict.Namespace))
	}
	if len(conflicts) == 0 {
		r.ok("identities", fmt.Sprintf("no two of %d Servers share a MAC, address or BMC", len(servers)))
	}
	quarantined := slices.DeleteFunc(servers, func(s *v1alpha1.Server) bool { return s.Status.Quarantine == nil })
	for _, server := range quarantined {
		r.warn("quarantine", fmt.Sprintf("Server %s in namespace %s since Operation %s: %s", server.Name, server.Namespace, server.Status.Quarantine.Operation, server.Status.Quarantine.Reason),
			fmt.Sprintf("once it is mended: %s release server %s -n %s --reason …", in.Command, server.Name, server.Namespace))
	}
}

// eachPage lists page by page, so that a large fleet is never in one answer.
func eachPage(ctx context.Context, in *Inputs, empty client.ObjectList, visit func(client.ObjectList)) error {
	token := ""
	for {
		page, ok := empty.DeepCopyObject().(client.ObjectList)
		if !ok {
			return fmt.Errorf("listing %T: not a list", empty)
		}
		if err := in.Reader.List(ctx, page, client.InNamespace(in.Namespace), client.Limit(pageSize), client.Continue(token)); err != nil {
			return err
		}
		visit(page)
		if token = page.GetContinue(); token == "" {
			return nil
		}
	}
}
