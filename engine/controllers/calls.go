package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

const (
	// workersPerSite bounds the calls that are under way at one site, so that a site that hangs costs
	// the others nothing.
	workersPerSite = 32
	// callTimeout bounds one call; a driver bounds its own requests more tightly.
	callTimeout = 45 * time.Second
)

// calls makes the calls to sites, and keeps what this process alone can know of them.
type calls struct {
	clock clock.Clock
	wake  func(types.NamespacedName)

	mu      sync.Mutex
	records map[types.UID]*callRecord
	lines   map[string]*siteLine
	stopped bool
	running sync.WaitGroup
}

// callRecord of one Operation's calls.
type callRecord struct {
	calling  bool
	reply    *operation.Reply
	lastCall time.Time
	// intent is the request ID whose intent this process wrote; landed says that a call for it may
	// have reached the site.
	intent string
	landed bool
	// forgotten: the Operation ended or went while it was calling; nobody waits for the reply.
	forgotten bool
	// lost is the error of the latest Start where the site may or may not have got it.
	lost error
}

// queued is a call that waits for a worker; drop undoes what was noted of it.
type queued struct{ work, drop func() }

// siteLine is a site's queue and how many workers empty it.
type siteLine struct {
	queue   []queued
	workers int
}

func newCalls(clock clock.Clock, wake func(types.NamespacedName)) *calls {
	return &calls{clock: clock, wake: wake, records: map[types.UID]*callRecord{}, lines: map[string]*siteLine{}}
}

func (c *calls) record(uid types.UID) *callRecord {
	if c.records[uid] == nil {
		c.records[uid] = &callRecord{}
	}
	return c.records[uid]
}

// intend remembers that this process is about to write the intent of a request.
func (c *calls) intend(uid types.UID, requestID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.record(uid); r.intent != requestID {
		r.intent, r.landed, r.lost = requestID, false, nil
	}
}

// inherit notes that this process takes over a request of another, which may have sent it.
func (c *calls) inherit(uid types.UID, requestID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.record(uid)
	r.intent, r.landed = requestID, true
}

// tell fills in what the snapshot says of calls.
func (c *calls) tell(uid types.UID, process string, s *operation.Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.records[uid]
	if r == nil {
		return
	}
	s.Calling, s.Reply, s.LastCall, s.Lost = r.calling, r.reply, r.lastCall, r.lost
	if attempt := s.Operation.Status.LastAttempt(); attempt != nil {
		s.NotLanded = attempt.By == process && attempt.RequestID == r.intent && !r.landed
	}
}

// folded drops a reply that was written down or needs no writing.
func (c *calls) folded(uid types.UID, reply *operation.Reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.records[uid]; r != nil && r.reply == reply {
		r.reply = nil
	}
}

// doubt notes that another process may have sent what this one has not.
func (c *calls) doubt(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.records[uid]; r != nil {
		r.landed = true
	}
}

// distrust drops what was known of an Operation's calls while another process may have worked on
// it: what was not sent from here may have been sent from there.
func (c *calls) distrust(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.records[uid]
	switch {
	case r == nil:
	case r.calling:
		r.landed, r.reply = true, nil
	default:
		delete(c.records, uid)
	}
}

// forget drops everything of an Operation that has ended.
func (c *calls) forget(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.records[uid]
	switch {
	case r == nil:
	case r.calling:
		r.forgotten = true
	default:
		delete(c.records, uid)
	}
}

// start makes a call in the background. The reply wakes the Operation.
func (c *calls) start(ctx context.Context, key types.NamespacedName, uid types.UID, site string, driver drivers.Driver, call operation.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.record(uid)
	if r.calling || c.stopped {
		return
	}
	untainted := call.Kind == operation.CallStart && r.intent == call.Request.ID && !r.landed
	r.calling, r.reply = true, nil
	if call.Kind == operation.CallStart {
		r.landed = true
	}
	drop := func() {
		r.calling = false
		r.landed = r.landed && !untainted
	}
	c.enqueue(site, queued{drop: drop, work: func() {
		reply := perform(ctx, driver, call)
		c.ended(uid, r, reply, untainted)
		observeCall(site, call.Kind, reply.Err)
		c.wake(key)
	}})
}

// ended keeps a reply. untainted says that nothing had landed before the call.
func (c *calls) ended(uid types.UID, r *callRecord, reply *operation.Reply, untainted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.calling, r.reply, r.lastCall = false, reply, c.clock.Now()
	if r.forgotten {
		delete(c.records, uid)
	}
	if reply.Err == nil {
		return
	}
	kind := drivers.KindOf(reply.Err)
	if reply.Kind == operation.CallStart && kind == drivers.Unknown {
		r.lost = reply.Err
	}
	if untainted && kind == drivers.Transient {
		r.landed = false
	}
}

// enqueue hands work to a site's workers; called with the lock held.
func (c *calls) enqueue(site string, call queued) {
	line := c.lines[site]
	if line == nil {
		line = &siteLine{}
		c.lines[site] = line
	}
	line.queue = append(line.queue, call)
	if line.workers < workersPerSite {
		line.workers++
		c.running.Go(func() { c.empty(line) })
	}
}

// empty works a site's queue off and ends with it.
func (c *calls) empty(line *siteLine) {
	for {
		c.mu.Lock()
		if len(line.queue) == 0 {
			line.workers--
			c.mu.Unlock()
			return
		}
		work := line.queue[0].work
		line.queue[0] = queued{}
		line.queue = line.queue[1:]
		c.mu.Unlock()
		work()
	}
}

// stop takes no further calls and drops those that wait for a worker: they never left. The channel
// is closed once the calls under way have ended.
func (c *calls) stop() <-chan struct{} {
	c.mu.Lock()
	c.stopped = true
	for _, line := range c.lines {
		for _, call := range line.queue {
			call.drop()
		}
		line.queue = nil
	}
	c.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		c.running.Wait()
		close(ended)
	}()
	return ended
}

// unfolded lists the Operations with a reply to a Start that is not written down yet.
func (c *calls) unfolded() []types.UID {
	c.mu.Lock()
	defer c.mu.Unlock()
	var uids []types.UID
	for uid, r := range c.records {
		if r.reply != nil && r.reply.Kind == operation.CallStart && r.reply.Err == nil {
			uids = append(uids, uid)
		}
	}
	return uids
}

// unsent lists the Operations whose intent this process wrote, and has certainly not sent.
func (c *calls) unsent() []types.UID {
	c.mu.Lock()
	defer c.mu.Unlock()
	var uids []types.UID
	for uid, r := range c.records {
		if r.intent != "" && !r.landed && !r.calling {
			uids = append(uids, uid)
		}
	}
	return uids
}

// perform makes one call. A driver that panics costs its own call: the outcome is then Unknown.
func perform(ctx context.Context, driver drivers.Driver, call operation.Call) (reply *operation.Reply) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	reply = &operation.Reply{Kind: call.Kind, RequestID: call.Job.RequestID}
	defer func() {
		if p := recover(); p != nil {
			reply.Err = &drivers.Error{Kind: drivers.Unknown, Message: fmt.Sprintf("the driver failed: %v", p)}
		}
	}()
	switch call.Kind {
	case operation.CallStart:
		reply.Job, reply.Err = driver.Start(ctx, call.Request)
	case operation.CallFind:
		reply.Job, reply.Found, reply.Err = driver.Find(ctx, call.Job.RequestID)
	case operation.CallStatus:
		reply.Status, reply.Err = driver.Status(ctx, call.Job)
	case operation.CallCancel:
		reply.Err = driver.Cancel(ctx, call.Job)
	}
	return reply
}
