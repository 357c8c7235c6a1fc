package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/fleet"
	"stargate.io/stargate/engine/profile"
	"stargate.io/stargate/gitsync/grammar"
	"stargate.io/stargate/gitsync/source"
	"stargate.io/stargate/gitsync/tree"
)

// defaultTimeout of one look where spec.timeout does not say.
const defaultTimeout = time.Minute

// runBeside runs what may take long, beside the reconciler, and wakes the Fleet when it has ended.
func (r *Fleets) runBeside(name string, c *course, work func(context.Context) (answer func(*v1alpha1.Fleet))) {
	of := c.begin(r.clock.Now())
	r.working.Go(func() {
		answer := work(c.ctx)
		if c.ctx.Err() != nil {
			return // the process stops, or the Fleet is gone
		}
		c.done(func(object *v1alpha1.Fleet) {
			if c.of == of {
				answer(object)
			}
		})
		r.wake(name, 0)
	})
}

// resolve asks where the ref points: one round trip.
func (r *Fleets) resolve(object *v1alpha1.Fleet, c *course, wish fleet.Wish) {
	began := r.clock.Now()
	r.runBeside(object.Name, c, func(ctx context.Context) func(*v1alpha1.Fleet) {
		ctx, cancel := context.WithTimeout(ctx, timeoutOf(object))
		defer cancel()
		var head source.Head
		request, err := r.request(ctx, object)
		if err == nil {
			head, err = source.Git{}.Resolve(ctx, request)
		}
		ended := r.clock.Now()
		observeStep(object.Name, "resolve", ended.Sub(began))
		return func(object *v1alpha1.Fleet) {
			c.known.Looked, c.known.LookedFor = began, wish
			if err != nil {
				c.fail(object, failureOf(err, ended))
				return
			}
			c.looked(head)
		}
	})
}

// looked takes in where the ref points. The caller holds the lock.
func (c *course) looked(head source.Head) {
	if failure := c.known.Failure; failure != nil && failure.Of == "" {
		c.known.Failure = nil
	}
	c.head, c.known.Head = head, &fleet.Head{Revision: head.Revision, Commit: head.Commit}
	clear(c.known.Forecasts) // the cluster moved on meanwhile
	for hash, commit := range c.known.Commits {
		if commit.Lost {
			delete(c.known.Commits, hash)
		}
	}
}

// fetch a commit and read it.
func (r *Fleets) fetch(object *v1alpha1.Fleet, c *course, e fleet.Fetch) {
	began := r.clock.Now()
	c.mu.Lock()
	head := c.head
	c.mu.Unlock()
	r.runBeside(object.Name, c, func(ctx context.Context) func(*v1alpha1.Fleet) {
		ctx, cancel := context.WithTimeout(ctx, timeoutOf(object))
		defer cancel()
		commit, objects, err := r.read(ctx, object, e.Head, head)
		ended := r.clock.Now()
		observeStep(object.Name, "fetch", ended.Sub(began))
		return func(object *v1alpha1.Fleet) {
			if err != nil {
				if e.Quiet {
					c.known.Commits[e.Commit] = &fleet.Commit{Head: e.Head, Lost: true}
					return
				}
				failure := failureOf(err, ended)
				failure.Of = e.Commit
				c.fail(object, failure)
				return
			}
			if failure := c.known.Failure; failure != nil && !failure.Applying {
				c.known.Failure = nil
			}
			c.known.Commits[e.Commit], c.trees[e.Commit] = commit, objects
			delete(c.known.Forecasts, e.Commit)
		}
	})
}

// read fetches one commit and makes of it its objects, or says what is wrong with it.
func (r *Fleets) read(ctx context.Context, object *v1alpha1.Fleet, wanted fleet.Head, head source.Head) (*fleet.Commit, *tree.Tree, error) {
	request, err := r.request(ctx, object)
	if err != nil {
		return nil, nil, err
	}
	if head.Commit != wanted.Commit {
		// Not where the ref points now: it is asked for by its hash.
		request.Ref = v1alpha1.GitRef{Commit: wanted.Commit}
		head = source.Head{Revision: wanted.Revision, Commit: wanted.Commit}
	}
	commit := &fleet.Commit{Head: wanted}
	fetched, err := source.Git{}.Fetch(ctx, request, head)
	if source.KindOf(err) == source.Refused {
		commit.Refusal = &fleet.Refusal{Reason: v1alpha1.ReasonSourceRefused, Message: err.Error()}
		return commit, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	commit.Author, commit.Subject, commit.SignedBy = fetched.Author, fetched.Subject, fetched.SignedBy
	if verify := object.Spec.Verify; verify != nil && verify.Mode != v1alpha1.VerifyRecord && fetched.SignedBy == "" {
		commit.Refusal = unsigned(fetched.SignatureProblem)
		return commit, nil, nil
	}
	// How many are read at once is bounded; how many are fetched is not: a slow server must not keep others waiting.
	r.reading <- struct{}{}
	defer func() { <-r.reading }()
	objects, problems := tree.Read(fetched.Files, r.treeOptions(object))
	if len(problems) > 0 {
		commit.Refusal = refusalOf(problems)
		return commit, nil, nil
	}
	sum(commit, objects, object.Spec.Prune)
	return commit, objects, nil
}

func (r *Fleets) treeOptions(object *v1alpha1.Fleet) tree.Options {
	return tree.Options{Fleet: object.Name, AllowKinds: object.Spec.AllowKinds, ForbidNamespaces: []string{r.namespace}, Schemas: r.schemas,
		CheckProfile: func(p *v1alpha1.ProvisioningProfile) error { return profile.Check(&p.Spec) },
		CheckPolicy:  grammar.Policy, CheckHook: grammar.Hook}
}

// unsigned refuses a commit that nobody known signed, and says what to do where the problem does not.
func unsigned(problem string) *fleet.Refusal {
	if !strings.Contains(problem, "; sign it") {
		problem += "; sign it anew with a key that spec.verify.keysRef names, or add its signer's key there"
	}
	return &fleet.Refusal{Reason: v1alpha1.ReasonSignatureInvalid, Message: problem}
}

// refusalOf tells all problems at once.
func refusalOf(problems []tree.Problem) *fleet.Refusal {
	refusal := &fleet.Refusal{Reason: v1alpha1.ReasonCommitInvalid, Count: len(problems)}
	for i := range problems {
		refusal.Errors = append(refusal.Errors, sourceError(&problems[i]))
	}
	refusal.Message = "1 problem: " + problems[0].String()
	if len(problems) > 1 {
		refusal.Message = fmt.Sprintf("%d problems, the first: %s", len(problems), problems[0])
	}
	return refusal
}

// sourceError is a problem as status has it.
func sourceError(problem *tree.Problem) v1alpha1.SourceError {
	message := problem.Message
	for _, subject := range []string{problem.Field, problem.Object} {
		if subject != "" {
			message = subject + ": " + message
		}
	}
	if problem.Mend != "" {
		message += "; " + problem.Mend
	}
	return v1alpha1.SourceError{Path: cmp.Or(problem.File, "."), Line: int32(problem.Line), Column: int32(problem.Column), Message: message} //nolint:gosec // lines of a file of a megabyte
}

// request reads the Secrets of a Fleet, from the controller's own namespace and no other.
func (r *Fleets) request(ctx context.Context, object *v1alpha1.Fleet) (source.Request, error) {
	spec := &object.Spec
	request := source.Request{URL: spec.URL, Path: spec.Path}
	if spec.Ref != nil {
		request.Ref = *spec.Ref
	}
	if spec.CredentialsRef != nil {
		data, err := r.secret(ctx, "spec.credentialsRef", spec.CredentialsRef.Name)
		if err != nil {
			return request, err
		}
		if request.Credentials, err = source.CredentialsFrom(data, spec.URL); err != nil {
			return request, err
		}
	}
	if spec.Verify != nil {
		data, err := r.secret(ctx, "spec.verify.keysRef", spec.Verify.KeysRef.Name)
		if err != nil {
			return request, err
		}
		request.Verify = &source.Verify{Keys: data, Now: r.clock.Now()}
	}
	return request, nil
}

// secretError is a Secret that cannot be read.
type secretError struct {
	reason, message string
}

func (e *secretError) Error() string { return e.message }

func (r *Fleets) secret(ctx context.Context, field, name string) (map[string][]byte, error) {
	var secret corev1.Secret
	err := r.live.Get(ctx, types.NamespacedName{Namespace: r.namespace, Name: name}, &secret)
	switch {
	case err == nil:
		return secret.Data, nil
	case apierrors.IsNotFound(err):
		return nil, &secretError{v1alpha1.ReasonSecretNotFound,
			fmt.Sprintf("%s: no Secret %s in namespace %s; create it or correct the reference", field, name, r.namespace)}
	case apierrors.IsForbidden(err):
		return nil, &secretError{v1alpha1.ReasonSecretInvalid,
			fmt.Sprintf("%s: the controller may not read Secret %s in namespace %s; bind the Role stargate-fleet-secrets there to it", field, name, r.namespace)}
	}
	return nil, fmt.Errorf("reading Secret %s/%s for %s: %w", r.namespace, name, field, err)
}

func failureOf(err error, at time.Time) fleet.Failure {
	failure := fleet.Failure{At: at, Reason: v1alpha1.ReasonFetchFailed, Message: err.Error()}
	if secret, ok := errors.AsType[*secretError](err); ok {
		failure.Reason, failure.Permanent = secret.reason, true
		return failure
	}
	switch source.KindOf(err) {
	case source.Auth:
		failure.Reason, failure.Permanent = v1alpha1.ReasonAuthenticationFailed, true
	case source.RefNotFound, source.Empty:
		failure.Reason, failure.Permanent = v1alpha1.ReasonRefNotFound, true
	case source.Refused:
		failure.Reason, failure.Permanent = v1alpha1.ReasonSourceRefused, true
	case source.Transient:
	}
	return failure
}

func timeoutOf(object *v1alpha1.Fleet) time.Duration {
	if d := object.Spec.Timeout; d != nil && d.Duration > 0 {
		return d.Duration
	}
	return defaultTimeout
}
