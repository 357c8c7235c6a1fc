package stage

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// provision makes the first commit, which the guard holds, lets it pass as a person would, and watches it come true.
func (d *demo) provision(ctx context.Context) error {
	commit, err := d.repo.commit("a fleet of 40 servers")
	if err != nil {
		return err
	}
	if err := d.cluster.Create(ctx, d.fleet()); err != nil {
		return fmt.Errorf("creating Fleet %s: %w", fleetName, err)
	}
	d.told("commit", "fleet@%.7s \"a fleet of 40 servers\"", commit)
	fleet, err := d.untilHeld(ctx, commit)
	if err != nil {
		return err
	}
	d.screen.note("held    by the guard: %d servers of which nothing is known would be repaved", fleet.Status.Pending.Repaves)
	if err := d.asPerson(ctx, "approve", "fleet", fleetName, "--commit", commit, "--reason", "first provisioning", "-y"); err != nil {
		return err
	}
	d.approvedCommit = commit
	return d.watch(ctx, commit)
}

// change commits a new OS version, and watches the waves.
func (d *demo) change(ctx context.Context) error {
	subject := fmt.Sprintf("%s: OS %s → %s", changed, oldOS, newOS)
	if err := d.repo.edit("profiles/"+changed+".yaml", oldOS, newOS); err != nil {
		return err
	}
	commit, err := d.repo.commit(subject)
	if err != nil {
		return err
	}
	d.told("rollout", "fleet@%.7s \"%s\", wave by wave in both datacenters", commit, subject)
	// What a push notice does at a git server that sends one.
	if err := d.stargate(ctx, "fleet", "reconcile", fleetName); err != nil {
		return err
	}
	return d.watch(ctx, commit)
}

// untilHeld waits until the guard holds a commit.
func (d *demo) untilHeld(ctx context.Context, commit string) (*v1alpha1.Fleet, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the guard does not hold the first commit"))
	defer cancel()
	for {
		fleet, err := d.look(ctx)
		if err != nil {
			return nil, err
		}
		if pending := fleet.Status.Pending; pending != nil && pending.Commit == commit {
			return fleet, nil
		}
		if err := d.pause(ctx); err != nil {
			return nil, err
		}
	}
}

// look at the fleet.
func (d *demo) look(ctx context.Context) (*v1alpha1.Fleet, error) {
	fleet := &v1alpha1.Fleet{}
	if err := d.cluster.Get(ctx, client.ObjectKey{Name: fleetName}, fleet); err != nil {
		return nil, errors.Join(fmt.Errorf("looking at Fleet %s: %w", fleetName, err), d.crew.trouble())
	}
	if problems := fleet.Status.Errors; len(problems) > 0 {
		return nil, fmt.Errorf("the commit was refused: %s:%d: %s", problems[0].Path, problems[0].Line, problems[0].Message)
	}
	return fleet, nil
}

// pause between two looks; an error where something ended that should not.
func (d *demo) pause(ctx context.Context) error {
	if err := d.crew.trouble(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(200 * time.Millisecond):
		return nil
	}
}

// asPerson does what waits for a person with the command that a person would type, and shows it.
func (d *demo) asPerson(ctx context.Context, args ...string) error {
	shown := make([]string, 0, len(args))
	for _, arg := range args {
		switch {
		case arg == "-y":
		case strings.Contains(arg, " "):
			shown = append(shown, strconv.Quote(arg))
		case len(arg) == 40:
			shown = append(shown, arg[:7])
		default:
			shown = append(shown, arg)
		}
	}
	d.screen.note("$ stargate %s", strings.Join(shown, " "))
	return d.stargate(ctx, args...)
}

// stargate runs the command line.
func (d *demo) stargate(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join("bin", "stargate"), append(d.cluster.flags(), args...)...)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("stargate %s: %w\n%s", args[0], err, said)
	}
	return nil
}
