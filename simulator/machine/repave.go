package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/health"
	"stargate.io/stargate/simulator/qemu"
)

// tellEvery is how often a job that waits for its guest looks at it.
const tellEvery = 250 * time.Millisecond

// maxStarts of a machine within one job: one that ends again and again as it boots is not going to come up.
const maxStarts = 3

// image gets the base image, and keeps which it is, so that it is not collected.
func (r *run) image(ctx context.Context) error {
	disk := int64(r.s.config.sizeOf(r.m.name).DiskGiB) << 30
	digest, err := r.s.config.Images.Get(ctx, *r.job.Image, disk, func(part float64, said string) {
		r.tell(simulator.StageImage, part, said)
	})
	if err != nil {
		return fmt.Errorf("getting the image: %w", err)
	}
	return r.m.change(func(k *record) { k.Job.Base = digest })
}

// shutdown ends the machine that is there.
func (r *run) shutdown(ctx context.Context) error {
	if err := r.m.change(func(k *record) { k.Wanted = false }); err != nil {
		return err
	}
	return r.m.shutdown(ctx, r.s.config.Limits.Powerdown)
}

// disk makes the disk of the job's generation. Once the record says that the machine has it, it is not made again.
func (r *run) disk(ctx context.Context) error {
	known := r.m.known()
	job, name := known.Job, diskName(known.Job.Generation)
	if known.Disk.File == name {
		return nil
	}
	path := r.m.file(name)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing an unfinished disk: %w", err)
	}
	size := r.s.config.sizeOf(r.m.name)
	if err := r.s.config.Images.Overlay(ctx, job.Base, path, int64(size.DiskGiB)<<30); err != nil {
		return fmt.Errorf("making the disk: %w", err)
	}
	r.s.config.Passing("disk:made")
	return r.m.change(func(k *record) {
		k.Old, k.Generation, k.Size = k.Disk.File, job.Generation, size
		k.Disk = disk{File: name, Base: job.Base, Seed: seedName(job.Generation)}
		k.OSVersion, k.ProfileHash, k.Heard, k.NoKVM = "", "", false, ""
		k.afresh()
		uid := cmp.Or(r.job.Server.UID, k.Server.UID)
		k.Server = r.job.Server
		k.Server.UID = uid
	})
}

// seed writes what the guest's cloud-init finds. The instance is this generation of this machine, so a crash does not
// make cloud-init begin anew.
func (r *run) seed(context.Context) error {
	known := r.m.known()
	instance := fmt.Sprintf("%s-%d", known.UUID, known.Generation)
	if err := r.s.config.Seeds.Write(r.m.file(known.Disk.Seed), instance, known.Server, *r.job.Image); err != nil {
		return fmt.Errorf("writing the seed: %w", err)
	}
	return nil
}

// start the machine, unless it runs.
func (r *run) start(ctx context.Context) error {
	if known := r.m.known(); known.Disk.File == "" {
		return simulator.Refuse(simulator.ReasonBadRequest, "machine %s has nothing to start from: repave it first", r.m.name)
	}
	err := r.m.change(func(k *record) {
		k.Wanted = true
		k.afresh()
	})
	if err != nil {
		return err
	}
	return r.m.start(ctx)
}

// reboot tells the guest to shut down, and presses the reset button when it has not by the limit. The start after it
// starts a guest that did shut down.
func (r *run) reboot(ctx context.Context) error {
	if err := r.remember(); err != nil {
		return err
	}
	r.m.mu.Lock()
	l := r.m.live
	r.m.mu.Unlock()
	if l == nil {
		return nil
	}
	if err := l.powerdown(ctx); err == nil {
		within, cancel := context.WithTimeout(ctx, r.s.config.Limits.Powerdown)
		defer cancel()
		select {
		case <-l.ended:
			return nil
		case <-within.Done():
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	r.tell(simulator.StageBoot, 0, "the guest did not shut down by itself, and was reset")
	if err := r.m.change(func(k *record) { k.Started = now() }); err != nil {
		return err
	}
	if l.ask(ctx, func(q *qemu.Monitor) error { return q.Reset(ctx) }) != nil || l.state(ctx) != qemu.StateRunning {
		return r.m.kill(ctx)
	}
	l.forget()
	return nil
}

// remember which boot of the guest the reboot is to end.
func (r *run) remember() error {
	if r.m.known().Job.Before != "" {
		return nil
	}
	r.m.mu.Lock()
	l := r.m.live
	r.m.mu.Unlock()
	if l == nil {
		return nil
	}
	report, at := l.reported()
	if at.IsZero() {
		return nil
	}
	return r.m.change(func(k *record) { k.Job.Before = report.Boot })
}

// await the guest: what it says of itself is what the job's end is.
func (r *run) await(ctx context.Context) error {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		r.m.look(ctx)
		switch said := r.arrival(); {
		case said.err != nil:
			return said.err
		case said.up:
			return r.timed()
		case said.restart != "":
			if err := r.startAgain(ctx, said); err != nil {
				return err
			}
		default:
			r.tell(said.stage, r.elapsed(said.stage), said.message)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the guest: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// startAgain a machine that ended as it booted, or whose KVM turned out to be none.
func (r *run) startAgain(ctx context.Context, said arrival) error {
	starts := r.m.known().Job.Starts + 1
	if starts >= maxStarts {
		return fmt.Errorf("starting machine %s: %s, %d times: see %s", r.m.name, said.restart, starts, r.m.console())
	}
	r.s.config.Log.Warn("starting a machine again", "machine", r.m.name, "reason", said.restart)
	err := r.m.change(func(k *record) {
		k.Job.Starts = starts
		if said.tcg {
			k.NoKVM = said.restart
		}
	})
	if err != nil {
		return err
	}
	return r.m.restart(ctx)
}

// arrival of a guest, as far as it got.
type arrival struct {
	up      bool
	err     error
	restart string // why it is to be started again
	tcg     bool   // without KVM
	stage   simulator.Stage
	message string
}

// arrival gathers what is known of the guest, and decides.
func (r *run) arrival() arrival {
	snapshot := r.m.snapshot()
	snapshot.Job = "" // the judge is not to look away
	if reason, broken := health.Broken(snapshot, r.s.config.Health, time.Now()); broken {
		return arrival{restart: reason, tcg: snapshot.Accelerator == qemu.KVM}
	}
	if reason, loops := health.Looping(snapshot, r.s.config.Health, time.Now()); loops {
		return arrival{err: fmt.Errorf("booting: %s: see its console for why: %s", reason, r.m.console())}
	}
	known := r.m.known()
	g := guestView{
		running: snapshot.Running, state: snapshot.State, started: known.Started, reached: snapshot.LastReached, missed: snapshot.FirstMissed, before: known.Job.Before,
		expected: known.Heard || known.Job.Action == simulator.Repave, limit: r.s.config.Limits.Reporter, console: snapshot.LastConsole,
	}
	r.m.mu.Lock()
	l := r.m.live
	r.m.mu.Unlock()
	if l != nil {
		g.report, g.at = l.reported()
	}
	return arrived(g, time.Now())
}

// timed keeps how long the stages took, for the percent of the next job.
func (r *run) timed() error {
	known := r.m.known()
	took := time.Since(known.Started)
	return r.m.change(func(k *record) {
		if k.Took == nil {
			k.Took = map[simulator.Stage]time.Duration{}
		}
		k.Took[simulator.StageCloudInit] = took
	})
}
