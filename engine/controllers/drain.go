package controllers

import (
	"context"
	"slices"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// drainTime is how long a stop waits for requests under way. Beyond it their replies are lost, which
// the next process can find out about wherever the site knows request ids.
const drainTime = 10 * time.Second

// drain waits for the stop, lets the requests that are under way end, and writes their jobs down:
// at a site that knows no request ids a lost reply would park the Operation. For the same reason the
// intents that were not sent are taken back, where the lease is still held: without it another
// process may have sent them.
func (r *Operations) drain(ctx context.Context) error {
	<-ctx.Done()
	limited, cancel := context.WithTimeout(r.background, drainTime)
	defer cancel()
	ended := []<-chan struct{}{r.calls.stop()}
	if r.hooks != nil {
		ended = append(ended, r.hooks.stop())
	}
	for _, each := range ended {
		select {
		case <-each:
		case <-limited.Done():
		}
	}
	r.stopping.Store(r.leading())
	open := r.calls.unfolded()
	if r.hooks != nil {
		open = append(open, r.hooks.unfolded()...)
	}
	if r.stopping.Load() {
		open = append(open, r.calls.unsent()...)
	}
	for key, uid := range r.names() {
		if !slices.Contains(open, uid) {
			continue
		}
		if _, err := r.Reconcile(limited, reconcile.Request{NamespacedName: key}); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "writing down a job while stopping", "operation", key)
		}
	}
	r.sites.close()
	return nil
}
