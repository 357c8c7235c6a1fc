package sim

import (
	"maps"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cache is what one process has seen of one kind: the log up to some place. Nothing is seen out of
// order, but it may be seen late, and after a relist some of it is not seen at all.
type cache struct {
	process *process
	kind    kind
	objects map[string]client.Object
	// read is how much of the log was seen.
	read int
	// frozen until then: the connection hangs, and nobody has noticed.
	frozen time.Duration
}

func newCache(p *process, k kind) *cache {
	c := &cache{process: p, kind: k, objects: map[string]client.Object{}}
	w := p.world
	if w.calm || !w.chance(3) {
		c.relist()
		return c
	}
	// A list may be served from a watch cache that is behind.
	upTo := len(w.api.log[k])
	c.bring(max(upTo-w.random.IntN(8), 0))
	w.after(w.between(0, time.Second), func() { c.bring(upTo) })
	return c
}

// get reads an object; nil where there is none.
func (c *cache) get(name string) client.Object { return c.objects[name] }

// names in order.
func (c *cache) names() []string { return slices.Sorted(maps.Keys(c.objects)) }

// announce brings what is in the log now after a while.
func (p *process) announce(k kind) {
	c := p.caches[k]
	if c == nil {
		return
	}
	w, upTo := p.world, len(p.world.api.log[k])
	lag := w.between(0, 20*time.Millisecond)
	if !w.calm && !w.options.Undisturbed && w.chance(25) {
		lag = w.between(0, 3*time.Second)
	}
	w.after(lag, func() { c.bring(upTo) })
}

// bring shows the log up to a place.
func (c *cache) bring(upTo int) {
	w := c.process.world
	if c.process.dead {
		return
	}
	if c.frozen > w.now {
		w.after(c.frozen-w.now, func() { c.bring(upTo) })
		return
	}
	for c.read < upTo {
		change := c.process.world.api.log[c.kind][c.read]
		c.read++
		before := c.objects[change.name]
		if change.deleted {
			delete(c.objects, change.name)
			c.process.deleted(c.kind, change.object)
			continue
		}
		c.objects[change.name] = change.object
		c.process.changed(c.kind, before, change.object)
	}
}

// relist drops the watch and lists anew: what happened in between is not seen, only what came of it.
func (c *cache) relist() {
	api := c.process.world.api
	before := c.objects
	c.objects, c.read, c.frozen = maps.Clone(api.objects[c.kind]), len(api.log[c.kind]), 0
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if c.objects[name] == nil {
			c.process.deleted(c.kind, before[name])
		}
	}
	for _, name := range c.names() {
		if before[name] != c.objects[name] {
			c.process.changed(c.kind, before[name], c.objects[name])
		}
	}
}
