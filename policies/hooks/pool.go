package hooks

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Options of a Pool; the zero value is fine.
type Options struct {
	// Workers that run at once; zero for 8. One hook takes at most half of them, so that it never keeps all others
	// waiting.
	Workers int
	// Queue is how many more runs may wait; zero for 4096.
	Queue int
	// MemoryBytes of a worker, beyond what it has at its start; zero for 256 MiB.
	MemoryBytes int64
	// Executable to start as a worker; empty for the one that is built in, or this program.
	Executable string
	// Now is the clock that scripts see; nil for the machine's.
	Now func() time.Time
	// Resolve and Connect stand in for the resolver and the network; nil for those. What may be connected to has
	// been judged before Connect.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	Connect func(ctx context.Context, network, address string) (net.Conn, error)
}

// ErrBusy is what a run gets when too many wait, and ErrClosed when there is no pool any more.
var (
	ErrBusy   = errors.New("too many hooks wait for a worker")
	ErrClosed = errors.New("the workers of hooks were shut down")
)

// A worker is replaced after so many runs, or when it has come to that part of its memory: what Go keeps of an earlier
// run is not to fail a later one.
const (
	maxRuns  = 500
	fullPart = 3 // a third
)

// Pool of workers. Safe for concurrent use.
type Pool struct {
	options Options
	starter *starter
	line    *line

	mu     sync.Mutex
	idle   []*process
	closed bool
	// busy counts what Close waits for: runs, and workers that end.
	busy sync.WaitGroup
}

// NewPool starts no worker before one is needed.
func NewPool(options Options) *Pool {
	options.Workers = cmp.Or(options.Workers, 8)
	options.Queue = cmp.Or(options.Queue, 4096)
	options.MemoryBytes = cmp.Or(options.MemoryBytes, 256<<20)
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Executable == "" {
		options.Executable = executable()
	}
	return &Pool{options: options, starter: newStarter(options.Executable, options.MemoryBytes), line: newLine(options.Workers, options.Queue)}
}

// Compile a script, as Compile does.
func (p *Pool) Compile(name, text string) (*Script, []Problem) { return Compile(name, text) }

// Run a script to its end, or to its deadline; or until ctx is done, which is the only error beside those above: what
// a script or its worker does wrong is a Result. The deadline runs from when a worker has taken it.
func (p *Pool) Run(ctx context.Context, call Call, host Host) (Result, error) {
	run, refused := p.prepare(call)
	if refused != nil {
		return *refused, nil
	}
	if !p.enter() {
		return Result{}, ErrClosed
	}
	defer p.busy.Done()
	leave, err := p.line.enter(ctx, call.Name)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	w, err := p.take()
	if err != nil {
		return Result{Outcome: Errored, Reason: ReasonWorkerFailure, Message: err.Error()}, nil
	}
	c := &conversation{pool: p, process: w, call: call, host: host, run: run}
	result, sound := c.hold(ctx)
	if sound {
		p.giveBack(w)
	} else {
		p.replace(w)
	}
	return result, ctx.Err()
}

func (p *Pool) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.busy.Add(1)
	return true
}

// take an idle worker, or start one.
func (p *Pool) take() (*process, error) {
	for {
		p.mu.Lock()
		last := len(p.idle) - 1
		if last < 0 {
			p.mu.Unlock()
			return p.starter.order()
		}
		w := p.idle[last]
		p.idle = p.idle[:last]
		p.mu.Unlock()
		if w.alive() {
			return w, nil
		}
		w.close()
	}
}

func (p *Pool) giveBack(w *process) {
	w.runs++
	p.mu.Lock()
	if !p.closed && w.runs < maxRuns && w.peak < p.options.MemoryBytes/fullPart {
		p.idle = append(p.idle, w)
		w = nil
	}
	p.mu.Unlock()
	if w != nil {
		p.replace(w)
	}
}

// replace a worker that is of no more use by one that is ready when the next run comes.
func (p *Pool) replace(w *process) {
	w.kill()
	p.busy.Go(func() {
		w.close()
		p.mu.Lock()
		needed := !p.closed && len(p.idle) == 0
		p.mu.Unlock()
		if !needed {
			return
		}
		spare, err := p.starter.order()
		if err != nil {
			return // the next run tries again, and says why not
		}
		p.mu.Lock()
		if !p.closed {
			p.idle = append(p.idle, spare)
			spare = nil
		}
		p.mu.Unlock()
		if spare != nil {
			spare.close()
		}
	})
}

// Close ends the workers. Runs that are under way are seen out; end their contexts before, to be quicker.
func (p *Pool) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, w := range idle {
		w.close()
	}
	p.busy.Wait()
	close(p.starter.orders)
}
