package site_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"stargate.io/stargate/simulator"
)

// park is Machines that do nothing to a machine: a job goes on when it is told to. What is asked of the face is asked
// about its journal and its answers; machines of QEMU have tests of their own.
type park struct {
	mu       sync.Mutex
	machines map[string]*simulator.Status
	slots    map[string]*slot
	done     map[string]int // by job id, how often it came to its end
	refuse   error          // what Do gives, instead of anything
}

// slot is what holds a job until it is told to go on. It outlives a restart of the face, as machines do.
type slot struct {
	begin, finish chan struct{}
}

func newPark() *park {
	return &park{machines: map[string]*simulator.Status{}, slots: map[string]*slot{}, done: map[string]int{}}
}

func (p *park) slot(id string) *slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slots[id] == nil {
		p.slots[id] = &slot{begin: make(chan struct{}), finish: make(chan struct{})}
	}
	return p.slots[id]
}

func closeOnce(gate chan struct{}) {
	select {
	case <-gate:
	default:
		close(gate)
	}
}

func (p *park) begin(id string) { closeOnce(p.slot(id).begin) }

func (p *park) finish(id string) {
	p.begin(id)
	closeOnce(p.slot(id).finish)
}

// Do implements simulator.Machines.
func (p *park) Do(ctx context.Context, job simulator.Job, report func(simulator.Progress)) (simulator.Result, error) {
	machine, err := p.take(job)
	if err != nil {
		return simulator.Result{}, err
	}
	defer p.giveBack(machine)
	gates := p.slot(job.ID)
	for i, gate := range []chan struct{}{gates.begin, gates.finish} {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return simulator.Result{Untouched: i == 0}, fmt.Errorf("waiting: %w", context.Cause(ctx))
		}
		report(simulator.Progress{Stage: simulator.StageImage, Percent: 10 + 50*i, Message: "downloading"})
	}
	return p.end(machine, job), nil
}

func (p *park) take(job simulator.Job) (*simulator.Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		return nil, p.refuse
	}
	machine := p.machines[job.Server.Name]
	if machine == nil {
		// The suite's n-th machine has its controller at 10.1.0.n+1.
		machine = &simulator.Status{Server: job.Server, BMC: strings.Replace(job.Server.IPv4, "10.0.", "10.1.", 1)}
		p.machines[job.Server.Name] = machine
	}
	if machine.Job != "" && machine.Job != job.ID {
		return nil, simulator.Refuse(simulator.ReasonServerBusy, "job %s is on it", machine.Job)
	}
	machine.Job = job.ID
	return machine, nil
}

func (p *park) giveBack(machine *simulator.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	machine.Job = ""
}

func (p *park) end(machine *simulator.Status, job simulator.Job) simulator.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done[job.ID]++
	facts := &machine.Facts
	switch job.Action {
	case simulator.Repave:
		if job.OnlyIfNeeded && facts.ProfileHash == job.Image.ProfileHash {
			return simulator.Result{Unchanged: true, Facts: *facts}
		}
		*facts = simulator.Facts{On: true, OSVersion: job.Image.OSVersion, ProfileHash: job.Image.ProfileHash, Addresses: []string{job.Server.IPv4}}
	case simulator.PowerOff:
		facts.On = false
	case simulator.PowerOn, simulator.Reboot:
		facts.On = true
	case simulator.Inspect:
		return simulator.Result{Untouched: true, Facts: *facts}
	}
	return simulator.Result{Facts: *facts}
}

// Get implements simulator.Machines.
func (p *park) Get(name string) (simulator.Status, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	machine, there := p.machines[name]
	if !there {
		return simulator.Status{}, false
	}
	return *machine, true
}

// List implements simulator.Machines.
func (p *park) List() []simulator.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []simulator.Status
	for _, name := range slices.Sorted(maps.Keys(p.machines)) {
		list = append(list, *p.machines[name])
	}
	return list
}

// Delete implements simulator.Machines.
func (p *park) Delete(context.Context, string) error { return errors.New("nothing here asks for that") }
