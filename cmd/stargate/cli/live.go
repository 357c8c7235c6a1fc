package cli

import (
	"context"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/cmd/stargate/follow"
	"stargate.io/stargate/cmd/stargate/render"
)

const (
	// lookEvery bounds how often is looked, whatever happens: each look asks for what is under way.
	lookEvery = time.Second
	// anewEvery is how often what no event tells of is looked at again: clocks, and the progress of what
	// is under way.
	anewEvery = 2 * time.Second
	// mostOperations that one look asks for, one by one; what is beyond is shown without its progress.
	mostOperations = 50
)

// live is what is there of a few kinds, kept up to date.
type live struct {
	objects []map[string]client.Object // one map for each selection
	synced  int
	stale   bool
}

// all are the objects of one selection.
func (l *live) all(selection int) []client.Object {
	objects := make([]client.Object, 0, len(l.objects[selection]))
	for _, object := range l.objects[selection] {
		objects = append(objects, object)
	}
	return objects
}

type liveEvent struct {
	selection int
	follow.Event
}

// follow calls look once all is known, after changes, and now and then, until it says that it has seen
// enough, or ctx ends, with whose cause it then ends.
func (a *App) follow(ctx context.Context, c *cluster, selections []follow.Selection, look func(l *live) (done bool, err error)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	l := &live{stale: true}
	for range selections {
		l.objects = append(l.objects, map[string]client.Object{})
	}
	events := followAll(ctx, stop, c, selections)
	ticker := time.NewTicker(redrawEvery)
	defer ticker.Stop()
	looked := time.Time{}
	for {
		select {
		case event, open := <-events:
			if !open {
				return context.Cause(ctx)
			}
			l.fold(event)
			if event.Type == follow.Lost {
				a.note("connecting again: %s", render.Clean(event.Err.Error()))
			}
			continue
		case <-ticker.C:
		}
		now, pause := time.Now(), anewEvery
		if l.stale {
			pause = lookEvery
		}
		if l.synced < len(selections) || now.Sub(looked) < pause {
			continue
		}
		l.stale, looked = false, now
		if done, err := look(l); done || err != nil {
			return err
		}
	}
}

func (l *live) fold(event liveEvent) {
	switch event.Type {
	case follow.Synced:
		l.synced++
	case follow.Changed:
		l.objects[event.selection][key(event.Object)] = event.Object
	case follow.Gone:
		delete(l.objects[event.selection], key(event.Object))
	case follow.Lost:
		return
	}
	l.stale = true
}

// followAll follows each selection and puts their events into one channel, which is closed when all of
// them ended.
func followAll(ctx context.Context, stop context.CancelCauseFunc, c *cluster, selections []follow.Selection) <-chan liveEvent {
	all := make(chan liveEvent)
	var running sync.WaitGroup
	for i, selection := range selections {
		followed, events := follow.Follow(ctx, c, selection)
		running.Go(func() {
			for event := range events {
				select {
				case all <- liveEvent{selection: i, Event: event}:
				case <-ctx.Done():
				}
			}
			// What can go on no more ends the others too.
			stop(context.Cause(followed))
		})
	}
	go func() {
		running.Wait()
		close(all)
	}()
	return all
}
