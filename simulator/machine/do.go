package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/statefile"
)

// step of a job, as it is kept.
type step string

// The steps of all jobs.
const (
	stepImage step = "image"
	stepStop  step = "stop"
	stepDisk  step = "disk"
	stepSeed  step = "seed"
	stepTell  step = "tell"
	stepStart step = "start"
	stepAwait step = "await"
)

// deed is what is done in a step.
type deed struct {
	step  step
	stage simulator.Stage
	// touches: the machine is not as it was once this has begun.
	touches bool
	do      func(*run, context.Context) error
}

// deeds of each action, in order. Each may be done again after a crash in it or after it.
var deeds map[simulator.Action][]deed

// It is filled here because the deeds themselves lead back to it.
func init() {
	start, await := deed{stepStart, simulator.StageBoot, true, (*run).start}, deed{stepAwait, simulator.StageBoot, true, (*run).await}
	deeds = map[simulator.Action][]deed{
		simulator.Repave: {
			{stepImage, simulator.StageImage, false, (*run).image},
			{stepStop, simulator.StageDisk, true, (*run).shutdown},
			{stepDisk, simulator.StageDisk, true, (*run).disk},
			{stepSeed, simulator.StageSeed, true, (*run).seed},
			start, await,
		},
		simulator.Reboot:   {{stepTell, simulator.StageBoot, true, (*run).reboot}, start, await},
		simulator.PowerOn:  {start},
		simulator.PowerOff: {{stepStop, simulator.StageBoot, true, (*run).shutdown}},
		simulator.Inspect:  {},
	}
}

// errTimeout is the cause of a job's context when its time is up.
var errTimeout = errors.New("its time is up")

// run is one call of Do.
type run struct {
	s      *Machines
	m      *machine
	job    simulator.Job
	report func(simulator.Progress)
	last   simulator.Progress
}

// Do implements simulator.Machines.
func (s *Machines) Do(ctx context.Context, job simulator.Job, report func(simulator.Progress)) (simulator.Result, error) {
	untouched := simulator.Result{Untouched: true}
	if err := s.valid(job); err != nil {
		return untouched, err
	}
	m, err := s.take(job.Server.Name, job.ID, job.Action == simulator.Repave)
	if errors.Is(err, errNone) {
		return s.withoutMachine(job)
	}
	if err != nil {
		return untouched, err
	}
	defer s.give(m)
	if err := s.admit(m, job); err != nil {
		return untouched, err
	}
	r := &run{s: s, m: m, job: job, report: report}
	if last := m.known().Last; last != nil && last.ID == job.ID {
		return r.answer(*last)
	}
	if r.needless() {
		return simulator.Result{Untouched: true, Unchanged: true, Facts: r.facts()}, nil
	}
	if err := r.begin(); err != nil {
		return untouched, err
	}
	within, cancel := context.WithDeadlineCause(ctx, r.deadline(), errTimeout)
	defer cancel()
	return r.end(ctx, r.steps(within))
}

// withoutMachine answers a job, other than a repave, for a machine that was never made: its power is off.
func (s *Machines) withoutMachine(job simulator.Job) (simulator.Result, error) {
	result := simulator.Result{Untouched: true}
	switch job.Action {
	case simulator.PowerOff:
		result.Unchanged = true
		return result, nil
	case simulator.Inspect:
		return result, nil
	default:
		return result, simulator.Refuse(simulator.ReasonBadRequest, "machine %s has nothing to start from: repave it first", job.Server.Name)
	}
}

// needless tells a job that asks for what is so already.
func (r *run) needless() bool {
	known, on := r.m.known(), r.m.running()
	switch r.job.Action {
	case simulator.Repave:
		return r.job.OnlyIfNeeded && known.Job == nil && known.ProfileHash != "" && known.ProfileHash == r.job.Image.ProfileHash
	case simulator.PowerOn:
		return on && known.Wanted && known.Job == nil
	case simulator.PowerOff:
		return !on && !known.Wanted && known.Job == nil
	default:
		return false
	}
}

// begin keeps the job with its machine before anything is done, or finds it there.
func (r *run) begin() error {
	known := r.m.known()
	if known.Job != nil && known.Job.ID == r.job.ID {
		return nil
	}
	if err := statefile.MakeFolder(r.m.folder()); err != nil {
		return err
	}
	first := deeds[r.job.Action]
	return r.m.change(func(k *record) {
		j := &work{ID: r.job.ID, Action: r.job.Action, Started: now(), New: k.UUID == ""}
		if j.New {
			k.UUID, k.Size = newUUID(), r.s.config.sizeOf(r.m.name)
			k.Boot = simulator.Boot{Source: simulator.BootNone, Override: simulator.BootDisabled, Mode: simulator.BootLegacy}
			k.Server = r.job.Server
		}
		if len(first) > 0 {
			j.Step = first[0].step
		}
		if r.job.Action == simulator.Repave {
			j.Generation = k.Generation + 1
		}
		k.Job = j
	})
}

// steps does what is left of the job.
func (r *run) steps(ctx context.Context) error {
	list := deeds[r.job.Action]
	from := max(0, slices.IndexFunc(list, func(d deed) bool { return d.step == r.m.known().Job.Step }))
	for _, d := range list[min(from, len(list)):] {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := r.intend(d); err != nil {
			return err
		}
		r.tell(d.stage, 0, "")
		r.s.config.Passing(string(d.step) + ":intended")
		if err := d.do(r, ctx); err != nil {
			return err
		}
		r.s.config.Passing(string(d.step) + ":done")
	}
	return nil
}

// intend keeps the step before it is done.
func (r *run) intend(d deed) error {
	if job := r.m.known().Job; job.Step == d.step && (job.Touched || !d.touches) {
		return nil
	}
	return r.m.change(func(k *record) {
		k.Job.Step = d.step
		k.Job.Touched = k.Job.Touched || d.touches
	})
}

// deadline of the whole job, which the simulator's own death does not put off.
func (r *run) deadline() time.Time {
	limit := r.job.Timeout
	if limit <= 0 {
		limit = r.s.config.Limits.Job
	}
	return r.m.known().Job.Started.Add(limit)
}

// end keeps what became of the job, unless it is to be done again: when ctx, the caller's, ended for another cause than
// a cancellation.
func (r *run) end(ctx context.Context, failed error) (simulator.Result, error) {
	job := r.m.known().Job
	cancelled := errors.Is(context.Cause(ctx), simulator.ErrCancelled) && failed != nil
	if failed != nil && ctx.Err() != nil && !cancelled {
		return simulator.Result{Untouched: !job.Touched}, fmt.Errorf("doing job %s: it is left to be done again: %w", r.job.ID, failed)
	}
	// What is left to do is short, and is not to be left half-done.
	return r.conclude(context.WithoutCancel(ctx), told(failed, cancelled, job.Touched), cancelled)
}

// conclude the job for good.
func (r *run) conclude(ctx context.Context, failed error, cancelled bool) (simulator.Result, error) {
	job := r.m.known().Job
	if job.New && !job.Touched && failed != nil {
		// There is no machine to keep anything with.
		return simulator.Result{Untouched: true}, errors.Join(failed, r.s.remove(ctx, r.m))
	}
	if cancelled && job.Touched {
		if err := r.turnOff(ctx); err != nil {
			return simulator.Result{}, fmt.Errorf("%w: %w", simulator.ErrUnkept, errors.Join(failed, err))
		}
	}
	if err := r.keep(ended{ID: r.job.ID, At: now(), Untouched: !job.Touched, Cancelled: cancelled}, failed); err != nil {
		return simulator.Result{Untouched: !job.Touched}, fmt.Errorf("%w: %w", simulator.ErrUnkept, errors.Join(failed, err))
	}
	r.s.config.Passing("end:kept")
	if err := r.tidy(); err != nil {
		r.s.config.Log.Warn("tidying up after a job", "machine", r.m.name, "error", err)
	}
	if failed == nil {
		r.tell(simulator.StageDone, 1, "")
	}
	return simulator.Result{Untouched: !job.Touched, Facts: r.facts()}, failed
}

// told makes a failure tell that it was a cancellation, and a refusal that came too late that it is none: whoever reads
// that something was refused takes the machine for untouched.
func told(failed error, cancelled, touched bool) error {
	var refused *simulator.Refused
	if touched && errors.As(failed, &refused) {
		failed = errors.New(failed.Error())
	}
	if cancelled && !errors.Is(failed, simulator.ErrCancelled) {
		return fmt.Errorf("%w: %w", simulator.ErrCancelled, failed)
	}
	return failed
}

// keep the end of the job with its machine.
func (r *run) keep(last ended, failed error) error {
	if failed != nil {
		last.Failure = failed.Error()
	}
	return r.m.change(func(k *record) {
		if failed == nil && r.job.Action == simulator.Repave {
			k.OSVersion, k.ProfileHash = r.job.Image.OSVersion, r.job.Image.ProfileHash
		}
		k.Job, k.Last, k.Old = nil, &last, ""
	})
}

// turnOff leaves a machine off whose job was given up.
func (r *run) turnOff(ctx context.Context) error {
	if err := r.m.change(func(k *record) { k.Wanted = false }); err != nil {
		return err
	}
	return r.m.kill(ctx)
}

// tidy removes what the job left over: the disk before, and images that nobody uses any more.
func (r *run) tidy() error {
	known := r.m.known()
	named := known.named()
	if err := r.m.sweep(func(name string) bool { return named[name] }); err != nil {
		return err
	}
	return r.s.collect()
}

// answer gives what became of a job that ended.
func (r *run) answer(last ended) (simulator.Result, error) {
	result := simulator.Result{Untouched: last.Untouched, Unchanged: last.Unchanged, Facts: r.facts()}
	switch {
	case last.Cancelled:
		return result, fmt.Errorf("%w: %s", simulator.ErrCancelled, last.Failure)
	case last.Failure != "":
		return result, errors.New(last.Failure)
	}
	return result, nil
}

func (r *run) facts() simulator.Facts {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	return r.m.facts()
}
