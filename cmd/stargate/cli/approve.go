package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// commitTyped is how much of a commit must be typed to name it.
const commitTyped = 7

// approveOptions are the flags of approvals.
type approveOptions struct {
	reason, output string
	// commit of a fleet, or wave of a group, that is meant; empty for what waits.
	commit, wave string
	// override names rules that an Operation is to pass.
	override []string
	yes      bool
}

func (o *approveOptions) bind(a *App, command *cobra.Command) {
	bindReason(command, &o.reason)
	a.outputFlag(command, &o.output, actFormats...)
	command.Flags().BoolVarP(&o.yes, "yes", "y", false, "Do not ask")
}

func (a *App) approveCommand() *cobra.Command {
	options := &approveOptions{}
	command := &cobra.Command{
		Use:   "approve fleet|group|operation NAME",
		Short: "Let go what waits for a person: a commit that the guard holds, a wave, an Operation",
		Long: `Let go what waits for a person. Of a fleet it is the commit that the guard holds,
since more servers would be repaved, or more objects deleted, than it lets pass
unasked. Of a group it is what its guard holds, or the wave that needs an approval.
Of an Operation it is what a policy asks approvals for; several people may approve
it, and who asked for it does not count. With --override it passes rules by name.

What waits is shown first, and the approval names it: where something else waits
by the time that it is written, nothing is approved.`,
		Example: a.text(`  stargate approve fleet prod --reason "first provisioning, CHG-1042"
  stargate approve fleet prod --commit 9f1c2ab -y --reason CHG-1042
  stargate approve group web -n dc-west --wave r1 --reason "canaries look fine"
  stargate approve operation repave-gpu-007-x7k2p --reason "seen with Ana"
  stargate approve operation repave-gpu-007-x7k2p --override business-hours --reason "INC-7, it burns"`),
		ValidArgsFunction: a.completeTarget(fleetKind(), groupKind(), operationKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := oneTarget(args, options.reason, options.output, fleetKind(), groupKind(), operationKind())
			if err != nil {
				return err
			}
			return a.approveTarget(cmd.Context(), found, options)
		},
	}
	options.bind(a, command)
	command.Flags().StringVar(&options.commit, "commit", "", "Of a fleet: only this commit, or its first letters")
	command.Flags().StringVar(&options.wave, "wave", "", "Of a group: this wave. Default: what waits, the guard first")
	command.Flags().StringArrayVar(&options.override, "override", nil, "Of an Operation: let it pass a policy, or one rule of it (policy/rule)")
	return command
}

func (a *App) approveTarget(ctx context.Context, found target, options *approveOptions) error {
	name := found.names[0]
	if found.kind.title == operationKind().title {
		return a.approveOperation(ctx, name, options)
	}
	if len(options.override) > 0 {
		return usagef("--override is for Operations")
	}
	if found.kind.cluster {
		return a.approveFleet(ctx, name, options)
	}
	return a.approveGroup(ctx, name, options)
}

func (o *approveOptions) checkCommit() error {
	if o.wave != "" {
		return usagef("--wave is for groups")
	}
	if n := len(o.commit); n > 0 && n < commitTyped {
		return usagef("--commit: at least the first %d letters are needed, got %d", commitTyped, n)
	}
	return nil
}

func (a *App) approveFleet(ctx context.Context, name string, options *approveOptions) error {
	if err := options.checkCommit(); err != nil {
		return err
	}
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	object, err := cluster.read(ctx, fleetKind(), name)
	if err != nil {
		return err
	}
	fleet := asFleet(object)
	pending := fleet.Status.Pending
	switch {
	case pending == nil:
		return failf("Fleet %s has no commit that waits: %s", name, render.Or(fleetMessage(fleet), "no controller has looked at it yet"))
	case !strings.HasPrefix(pending.Commit, strings.ToLower(options.commit)):
		return failf("Fleet %s waits for an approval of %s, not of %s: nothing was approved", name, shortCommit(pending.Commit), render.Clean(options.commit))
	}
	a.showPending(fleet)
	if !options.yes {
		question := fmt.Sprintf("approve commit %s of Fleet %s?", shortCommit(pending.Commit), name)
		if err := a.ask(ctx, question); err != nil {
			return err
		}
	}
	return a.approve(ctx, cluster, fleetKind(), name, options, approved{
		value: pending.Commit, what: "commit " + shortCommit(pending.Commit),
		waits: func(o client.Object) bool {
			now := asFleet(o).Status.Pending
			return now != nil && now.Commit == pending.Commit && now.Repaves == pending.Repaves && now.Deletes == pending.Deletes
		},
	})
}

// showPending tells, on stderr, what an approval would let happen.
func (a *App) showPending(fleet *v1alpha1.Fleet) {
	pending := fleet.Status.Pending
	record := recordOf(fleet, pending.Revision)
	what := "Fleet " + fleet.Name + " holds commit " + shortCommit(pending.Commit)
	if record.Subject != "" {
		what += fmt.Sprintf(" %q", record.Subject)
	}
	if record.Author != "" {
		what += " by " + record.Author
	}
	if record.SignedBy != "" {
		what += ", signed by " + record.SignedBy
	}
	a.note("%s", render.Clean(what))
	a.note("  %s  %s, %s", a.notes.Paint(render.Held, "would follow"),
		render.Count(int(pending.Repaves), "repave"), render.Count(int(pending.Deletes), "deleted object"))
	if pending.Message != "" {
		a.note("  %s  %s", a.notes.Paint(render.Held, "held since  "), render.Clean(pending.Message))
	}
	a.note("  What it changes, server by server: %s plan", a.name)
}

func (a *App) approveGroup(ctx context.Context, name string, options *approveOptions) error {
	if options.commit != "" {
		return usagef("--commit is for fleets")
	}
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	object, err := cluster.read(ctx, groupKind(), name)
	if err != nil {
		return err
	}
	group := asGroup(object)
	chosen, err := choose(group, options.wave)
	if err != nil {
		return err
	}
	a.showApproval(group, chosen)
	if !options.yes {
		question := fmt.Sprintf("approve %s of %s?", chosen.what(), groupKind().named(group))
		if err := a.ask(ctx, question); err != nil {
			return err
		}
	}
	return a.approve(ctx, cluster, groupKind(), name, options, approved{
		value: chosen.value, what: chosen.what(),
		waits: func(o client.Object) bool {
			now := asGroup(o)
			again, err := choose(now, chosen.wave)
			return err == nil && again.value == chosen.value && now.Status.Revision.ProfileHash == group.Status.Revision.ProfileHash
		},
	})
}

// what is approved, in a few words.
func (p approval) what() string {
	if p.wave != "" {
		return "wave " + p.wave
	}
	return "what the guard holds"
}

// choose finds what is to be approved: a wave by name, else what waits.
func choose(group *v1alpha1.ServerGroup, wave string) (approval, error) {
	waiting := approvalsOf(group)
	var names []string
	for _, each := range waiting {
		if wave == "" || each.wave == wave {
			return each, nil
		}
		names = append(names, each.what())
	}
	name := groupKind().named(group)
	switch {
	case len(names) > 0:
		return approval{}, failf("%s waits for an approval of %s, not of wave %s: nothing was approved", name, strings.Join(names, ", "), render.Clean(wave))
	case wave != "":
		return approval{}, failf("%s does not wait for an approval of wave %s: nothing was approved", name, render.Clean(wave))
	}
	return approval{}, failf("%s waits for no approval: %s", name, render.Or(groupMessage(group), "no controller has looked at it yet"))
}

func (a *App) showApproval(group *v1alpha1.ServerGroup, chosen approval) {
	revision := &group.Status.Revision
	a.note("%s rolls out profile %s (OS %s), revision %s: %d of %d servers have it", groupKind().named(group),
		render.Clean(revision.Profile), render.Clean(revision.OSVersion), render.Clean(revision.Name), group.Status.Updated, group.Status.Servers)
	text := chosen.hold.Message
	if chosen.hold.Observed != "" && chosen.hold.Limit != "" {
		text += fmt.Sprintf(" (%s, of %s allowed)", chosen.hold.Observed, chosen.hold.Limit)
	}
	a.note("  %s    %s", a.notes.Paint(render.Held, "HELD"), render.Clean(text))
}

// approved is what somebody says yes to.
type approved struct {
	value, what string
	// waits tells whether an object still waits for just that.
	waits func(client.Object) bool
}

// approve writes the approval with who gave it, onto an object that still waits for it and no other. The
// API server writes the name itself; where it cannot, it checks the one that is written here.
func (a *App) approve(ctx context.Context, c *cluster, k kind, name string, options *approveOptions, yes approved) error {
	who, err := c.whoami(ctx)
	if err != nil {
		return err
	}
	done := "approved: " + yes.what
	object, err := c.steerExactly(ctx, k, name, func(o client.Object) (fields, error) {
		if o.GetAnnotations()[v1alpha1.AnnotationApprove] == yes.value {
			done = "was approved before: " + yes.what
			return nil, nil
		}
		if !yes.waits(o) {
			return nil, failf("%s does not wait for %s any more: nothing was approved; look again and say it anew", k.named(o), yes.what)
		}
		return fields{"metadata": fields{"annotations": fields{
			v1alpha1.AnnotationApprove: yes.value, v1alpha1.AnnotationApproveReason: options.reason, v1alpha1.AnnotationApprovedBy: who,
		}}}, nil
	})
	if err != nil {
		return err
	}
	return a.steered(options.output, k, object, done)
}

// whoami asks the API server under which name it knows the one who runs this.
func (c *cluster) whoami(ctx context.Context) (string, error) {
	review := &authenticationv1.SelfSubjectReview{}
	if err := c.Create(ctx, review); err != nil {
		return "", fmt.Errorf("asking the API server who you are: %w", err)
	}
	return review.Status.UserInfo.Username, nil
}
