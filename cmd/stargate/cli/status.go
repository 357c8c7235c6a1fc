package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// listed is how many lines of one kind a screen bears.
const listed = 10

func (a *App) statusCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "status",
		Short: "Sum a fleet up on one screen: what runs, what is held and why, what failed",
		Long: `Sum a fleet up on one screen: each site with its servers, the fleets and the
rollouts that are not done, what runs, what is held and why, what is quarantined or
paused. All namespaces, unless -n names one.`,
		Args: exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, render.JSON, render.YAML); err != nil {
				return err
			}
			return a.status(cmd.Context(), output)
		},
	}
	a.outputFlag(command, &output, render.JSON, render.YAML)
	return command
}

func (a *App) status(ctx context.Context, output string) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	namespace := ""
	if cluster.given {
		namespace = cluster.namespace
	}
	lists := map[string][]client.Object{}
	for _, each := range []kind{datacenterKind(), serverKind(), operationKind(), groupKind(), fleetKind()} {
		objects, err := cluster.all(ctx, each.list(), namespace, "")
		// Who may look into a datacenter need not be allowed to look at what is the whole cluster's.
		if each.cluster && apierrors.IsForbidden(err) {
			a.note("You may not list %ss: they are left out", each.title)
			continue
		}
		if err != nil {
			return err
		}
		lists[each.singular] = objects
	}
	report := summarise(lists["datacenter"], lists["server"], lists["operation"])
	for _, object := range lists["fleet"] {
		report.addFleet(asFleet(object))
	}
	for _, object := range lists["group"] {
		report.addGroup(asGroup(object))
	}
	if output != "" {
		return render.Structured(a.out, output, report)
	}
	return a.showStatus(report, lists["operation"])
}

func (a *App) showStatus(report *statusReport, operations []client.Object) error {
	sites := render.Table{Header: []string{"NAMESPACE", "DATACENTERS", "SERVERS", "READY", "BUSY", "OFF", "UNTOUCHED", "FAILED", "RUNNING", "HELD", "WAITING"}}
	for _, site := range report.Sites {
		names, colour := siteCell(site.Datacenters)
		sites.Rows = append(sites.Rows, []render.Cell{
			cell(site.Namespace), {Text: render.Or(names, none), Colour: colour},
			number(site.Servers.Total, render.Plain), number(site.Servers.Ready, render.Good),
			number(site.Servers.Busy, render.Busy), number(site.Servers.Off, render.Plain),
			number(site.Servers.Untouched, render.Plain), number(site.Servers.Failed, render.Bad),
			number(site.Operations.Running, render.Busy), number(site.Operations.Held, render.Held), number(site.Operations.Waiting, render.Plain),
		})
	}
	if len(report.Sites) == 0 && len(report.Fleets) == 0 {
		a.note("There are no Servers, Datacenters or Operations. Start here: %s check", a.name)
		return nil
	}
	if len(report.Sites) > 0 {
		if err := sites.Write(a.out, a.style); err != nil {
			return err
		}
	}
	section(a, "Fleets", report.Fleets, "get fleets", func(f fleetSummary) string {
		word := render.Or(f.Note, map[string]string{"True": "ready"}[f.Ready])
		return fmt.Sprintf("%s  %s  %s", f.Name, render.Or(shortRevision(f.Applied), "nothing applied yet"), render.Or(word, "not ready"))
	})
	section(a, fmt.Sprintf("Rollouts (%d of %s up to date)", report.Groups.UpToDate, render.Count(report.Groups.Total, "group")),
		report.Rollouts, "get groups -A", func(g groupSummary) string {
			return fmt.Sprintf("%s  %s  %d/%d  %s", g.Namespace, g.Name, g.Updated, g.Servers, g.Note)
		})
	a.showRunning(operations)
	section(a, "Held", report.Held, "status -o json", func(h heldSummary) string {
		return fmt.Sprintf("%s  %s by %s: %s  (%s)", h.Namespace, h.Reason, h.Source, h.Message, render.Count(h.Operations, "operation"))
	})
	section(a, "Quarantined", report.Quarantined, "status -o json", func(q quarantineSummary) string {
		return fmt.Sprintf("%s  %s  %s since %s: %s", q.Namespace, q.Server, q.Reason, q.Operation, q.Message)
	})
	section(a, "Paused", report.Paused, "status -o json", func(p pauseSummary) string {
		return fmt.Sprintf("%s  %s %s  %s", render.Or(p.Namespace, none), p.Kind, p.Name, p.Reason)
	})
	return nil
}

// showRunning shows the bars of what is under way.
func (a *App) showRunning(operations []client.Object) {
	var running []client.Object
	for _, object := range operations {
		if op := asOperation(object); op.Status.Phase == v1alpha1.OperationRunning && !heldNow(op) {
			running = append(running, object)
		}
	}
	if len(running) == 0 {
		return
	}
	a.say("\nRunning")
	v := view{now: a.now(), style: a.style}
	laid := table(operationKind(), running[:min(len(running), listed)], v, true)
	for _, line := range laid.Lines(a.style, 0)[1:] {
		a.say("  %s", line)
	}
	a.more(len(running), "get operations -A")
}

func (a *App) more(n int, command string) {
	if n > listed {
		a.say("  … and %d more: %s %s", n-listed, a.name, command)
	}
}

// section lists a few of many under a title, and says how many more there are.
func section[T any](a *App, title string, items []T, command string, line func(T) string) {
	if len(items) == 0 {
		return
	}
	a.say("\n%s", title)
	for _, item := range items[:min(len(items), listed)] {
		a.say("  %s", line(item))
	}
	a.more(len(items), command)
}

func number(n int, colour render.Colour) render.Cell {
	if n == 0 {
		return render.Text("0")
	}
	return render.Cell{Text: fmt.Sprint(n), Colour: colour}
}

// siteCell names the datacenters of a namespace, and what is wrong with them.
func siteCell(sites []siteSummary) (string, render.Colour) {
	text, colour := "", render.Plain
	for i, site := range sites {
		if i > 0 {
			text += ", "
		}
		text += site.Name
		switch {
		case site.Reachable == "False":
			text, colour = text+" (unreachable)", render.Bad
		case site.Paused && colour != render.Bad:
			text, colour = text+" (paused)", render.Held
		}
	}
	return text, colour
}
