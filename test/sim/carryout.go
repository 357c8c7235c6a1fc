package sim

import (
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// carryOut mirrors engine/controllers/carryout.go.
func (p *process) carryOut(s *pass, effect operation.Effect) (done bool, err error) {
	switch effect := effect.(type) {
	case operation.AskGate:
		verdict := p.admit(&s.Snapshot, s.limit)
		s.Verdict = &verdict
		return false, nil
	case operation.AddFinalizer:
		return false, p.writeFinalizers(s, append(slices.Clone(s.Operation.Finalizers), v1alpha1.Finalizer))
	case operation.RemoveFinalizer:
		if p.claimedAfterAll(s) {
			return false, nil
		}
		left := slices.DeleteFunc(slices.Clone(s.Operation.Finalizers), func(f string) bool { return f == v1alpha1.Finalizer })
		p.release(s.Operation.UID)
		return true, p.writeFinalizers(s, left)
	case operation.Delete:
		err := p.write("delete "+s.name, func() error {
			return p.world.api.delete(operations, s.name, s.Operation.UID, s.Operation.ResourceVersion)
		})
		if apierrors.IsNotFound(err) {
			err = nil
		}
		return true, err
	case operation.WriteServer:
		return false, p.writeServer(s, effect.Status)
	case operation.WriteStatus:
		if effect.Status.Phase.Terminal() && operation.StageOf(&s.Operation.Status) == operation.StageWaiting && p.claimedAfterAll(s) {
			return false, nil
		}
		return false, p.writeStatus(s, effect)
	case operation.Confirm:
		return false, p.confirm(s)
	case operation.Call:
		return true, p.call(s, effect)
	case operation.RunHook:
		return p.runHook(s, effect)
	}
	return false, fmt.Errorf("unknown effect %T", effect)
}

// claimedAfterAll mirrors the look for a claim that the cache does not show yet.
func (p *process) claimedAfterAll(s *pass) bool {
	live, ok := p.world.api.get(servers, s.Operation.Spec.ServerRef.Name).(*v1alpha1.Server)
	if !ok || !claims(s.Operation, live) {
		return false
	}
	s.Server = live
	return true
}

// write makes one write to the API server, with whatever goes wrong on the way.
func (p *process) write(what string, do func() error) error {
	w := p.world
	p.risk("before " + what)
	meets := p.writeFault
	p.writeFault = ""
	var err error
	switch meets {
	case "":
		err = do()
	case "500":
		w.fault("%s is answered with a 500", what)
		err = apierrors.NewInternalError(fmt.Errorf("simulated"))
	case "conflict":
		w.fault("%s is answered with a conflict", what)
		err = conflict(operations, what, "simulated")
	default:
		w.fault("%s is done, and times out", what)
		if err = do(); err == nil {
			err = apierrors.NewTimeoutError("simulated", 1)
		}
	}
	if err == nil || meets == "timeout" {
		w.result.Writes++
	}
	w.note(p.name, "%s: %v", what, err)
	p.risk("after " + what)
	return err
}

func (p *process) writeStatus(s *pass, write operation.WriteStatus) error {
	next := s.Operation.DeepCopy()
	next.Status = write.Status
	switch attempt := next.Status.LastAttempt(); {
	case write.Intent:
		p.intend(next.UID, attempt.RequestID)
	case attempt != nil && attempt.By != s.Operation.Status.LastAttempt().By:
		p.inherit(next.UID, attempt.RequestID)
	}
	what := fmt.Sprintf("status of %s: %s %s", s.name, next.Status.Phase, operation.StageOf(&next.Status))
	if write.Intent {
		what = "intent " + next.Status.LastAttempt().RequestID
	}
	if err := p.write(what, func() error { return p.world.api.updateStatus(operations, next) }); err != nil {
		return fmt.Errorf("writing the status of Operation %s: %w", s.name, err)
	}
	p.operations.wrote(next)
	s.Operation, s.intended = next, write.Intent
	if write.Intent {
		s.NotLanded = true
	}
	return nil
}

func (p *process) writeServer(s *pass, status v1alpha1.ServerStatus) error {
	if status.ActiveOperation == nil && operation.StageOf(&s.Operation.Status) == operation.StageWaiting {
		if err := p.confirmOperation(s); err != nil {
			return err
		}
	}
	next := s.Server.DeepCopy()
	next.Status = status
	what := fmt.Sprintf("%s gives %s back, %s", s.name, next.Name, next.Status.State)
	if status.ActiveOperation != nil {
		what = fmt.Sprintf("%s claims %s", s.name, next.Name)
	}
	if err := p.write(what, func() error { return p.world.api.updateStatus(servers, next) }); err != nil {
		return fmt.Errorf("writing the status of Server %s: %w", next.Name, err)
	}
	p.servers.wrote(next)
	before, after := s.Server.Status.ActiveOperation, next.Status.ActiveOperation
	s.Server = next
	if before != nil && after != nil && before.By != after.By {
		p.doubt(s.Operation.UID)
		s.NotLanded = false
		return p.confirmOperation(s)
	}
	return nil
}

func (p *process) writeFinalizers(s *pass, finalizers []string) error {
	next := s.Operation.DeepCopy()
	next.Finalizers = finalizers
	if err := p.write("finalizers of "+s.name, func() error { return p.world.api.update(operations, next) }); err != nil {
		return fmt.Errorf("writing the finalizers of Operation %s: %w", s.name, err)
	}
	p.operations.wrote(next)
	s.Operation = next
	return nil
}

// confirm mirrors the last look at the API server itself.
func (p *process) confirm(s *pass) error {
	p.risk("before the last look")
	s.Confirmed = &operation.Confirmation{}
	dc, ok := p.world.api.get(datacenters, s.Site.Name).(*v1alpha1.Datacenter)
	if !ok {
		s.Confirmed.Hold = &v1alpha1.Hold{Source: "Datacenter/" + s.Site.Name, Reason: v1alpha1.ReasonDatacenterNotFound, Message: "gone"}
		return nil
	}
	if s.Confirmed.Hold = operation.SiteHold(siteOf(dc)); s.Confirmed.Hold != nil {
		return nil
	}
	if dc.UID != s.datacenter.UID || dc.Generation != s.datacenter.Generation {
		return conflict(datacenters, dc.Name, "the driver is of what it was before, and may reach another site")
	}
	return p.confirmServer(s)
}

func (p *process) confirmServer(s *pass) error {
	server, ok := p.world.api.get(servers, s.Server.Name).(*v1alpha1.Server)
	if !ok {
		return notFound(servers, s.Server.Name)
	}
	if server.UID != s.Server.UID || server.Status.ActiveOperation == nil || server.Status.ActiveOperation.UID != string(s.Operation.UID) || server.Status.ActiveOperation.By != p.name {
		return conflict(servers, server.Name, "the claim is not ours any more")
	}
	if server.DeletionTimestamp != nil || operation.IdentityHash(&server.Spec) != s.Operation.Status.DecidedOn.IdentityHash {
		return conflict(servers, server.Name, "it is another machine now, or goes")
	}
	s.Confirmed.Hold = operation.ServerHold(server, p.conflicts(server))
	if s.intended {
		return nil
	}
	return p.confirmOperation(s)
}

// confirmOperation asks the API server whether the Operation is still what was decided on.
func (p *process) confirmOperation(s *pass) error {
	op, ok := p.world.api.get(operations, s.name).(*v1alpha1.Operation)
	if !ok {
		return notFound(operations, s.name)
	}
	if op.ResourceVersion != s.Operation.ResourceVersion {
		return conflict(operations, s.name, "it changed")
	}
	return nil
}
