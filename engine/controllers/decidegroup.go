package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// maxQuestions bounds how often one decision asks the API server itself; what it asked for and was
// answered it does not ask again.
const maxQuestions = 3

// decide gives the group's next step, and answers what the planner must know of Operations that it does
// not see.
func (r *Groups) decide(ctx context.Context, p *groupPass) (rollout.Decision, error) {
	decision := rollout.Decide(p.Snapshot)
	for range maxQuestions {
		if len(decision.Confirm) == 0 {
			break
		}
		if err := r.confirm(ctx, p, decision.Confirm); err != nil {
			return decision, err
		}
		decision = rollout.Decide(p.Snapshot)
	}
	return decision, nil
}

// confirm reads Operations from the API server itself, and of each that it does not have the Server, in
// this order: what such an Operation did is on the Server.
func (r *Groups) confirm(ctx context.Context, p *groupPass, names []string) error {
	slots := map[string]string{}
	for i := range p.Group.Status.InFlight {
		slots[p.Group.Status.InFlight[i].Operation] = p.Group.Status.InFlight[i].Server
	}
	if p.Gone == nil {
		p.Gone = map[string]bool{}
	}
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(makersAtOnce)
	for _, name := range names {
		all.Go(func() error {
			op, server := &v1alpha1.Operation{}, &v1alpha1.Server{}
			there, err := r.read(ctx, types.NamespacedName{Namespace: p.key.Namespace, Name: name}, op)
			if there || err != nil {
				mu.Lock()
				defer mu.Unlock()
				if there {
					p.Operations[name] = op
				}
				return err
			}
			serverThere, err := r.read(ctx, types.NamespacedName{Namespace: p.key.Namespace, Name: slots[name]}, server)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			p.Gone[name] = true
			p.Servers = slices.DeleteFunc(p.Servers, func(s *v1alpha1.Server) bool { return s.Name == slots[name] })
			if serverThere {
				p.Servers = append(p.Servers, server)
			}
			return nil
		})
	}
	return all.Wait()
}

// read an object from the API server itself, and tell whether it is there.
func (r *Groups) read(ctx context.Context, key types.NamespacedName, into client.Object) (bool, error) {
	err := r.live.Get(ctx, key, into)
	if err == nil {
		return true, nil
	}
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return false, fmt.Errorf("reading %T %s: %w", into, key, err)
}
