package operation_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// statusLimit is what a status may weigh, whatever sites and people say: 32 attempts of a kilobyte
// of error each, and as much again, and what a hook keeps.
const statusLimit = 112 << 10

// checker watches every decision of one Operation, and says what a promise was broken by.
type checker struct {
	// closed are the request ids that were ended or voided: nothing may be started with them.
	closed map[string]bool
	// found says that the site's latest word was that it has no job for this id.
	none string
	// finished are the hooks whose end was written.
	finished map[string]bool
}

func newChecker() *checker { return &checker{closed: map[string]bool{}, finished: map[string]bool{}} }

// decide asks for an effect, and checks that nothing in the snapshot was changed by that.
func (c *checker) decide(s operation.Snapshot) (operation.Effect, error) {
	op, server := s.Operation.DeepCopy(), s.Server.DeepCopy()
	effect := operation.Decide(s)
	if !reflect.DeepEqual(op, s.Operation) || !reflect.DeepEqual(server, s.Server) {
		return effect, fmt.Errorf("%T: the snapshot was changed", effect)
	}
	if s.Reply != nil && s.Reply.Kind == operation.CallFind && s.Reply.Err == nil && !s.Reply.Found {
		c.none = s.Reply.RequestID
	}
	return effect, c.check(&s, effect)
}

func (c *checker) check(s *operation.Snapshot, effect operation.Effect) error {
	switch effect := effect.(type) {
	case operation.Call:
		return c.checkCall(s, effect)
	case operation.RunHook:
		return c.checkRun(s, effect)
	case operation.WriteStatus:
		c.close(&effect.Status)
		if err := c.checkHooks(&s.Operation.Status, &effect.Status); err != nil {
			return err
		}
		if effect.Intent && !claimed(s) {
			return fmt.Errorf("an intent without the claim")
		}
		return checkStatus(s, &effect.Status)
	case operation.WriteServer:
		return checkServer(s, &effect.Status)
	case operation.Wait:
		return checkWait(s, effect)
	case operation.RemoveFinalizer:
		if claimed(s) || !s.Operation.Status.Phase.Terminal() {
			return fmt.Errorf("the finalizer is removed while something is left")
		}
	}
	return nil
}

// close remembers the attempts that have ended.
func (c *checker) close(status *v1alpha1.OperationStatus) {
	for i := range status.Attempts {
		if status.Attempts[i].Outcome != "" {
			c.closed[status.Attempts[i].RequestID] = true
		}
	}
}

func claimed(s *operation.Snapshot) bool {
	return s.Server != nil && s.Server.Status.ActiveOperation != nil && s.Server.Status.ActiveOperation.UID == string(s.Operation.UID)
}

// checkCall: only the open attempt is ever spoken of, and it is started only with a written intent, a
// claim, a last look that found nothing, and the knowledge that it has made no job.
func (c *checker) checkCall(s *operation.Snapshot, call operation.Call) error {
	attempt := s.Operation.Status.LastAttempt()
	if attempt == nil || attempt.Outcome != "" || attempt.RequestID != call.Job.RequestID {
		return fmt.Errorf("%s %s: it is not the open attempt", call.Kind, call.Job.RequestID)
	}
	if s.Calling {
		return fmt.Errorf("%s while a call is under way", call.Kind)
	}
	if call.Kind != operation.CallStart {
		return nil
	}
	switch {
	case call.Request.ID != attempt.RequestID || c.closed[attempt.RequestID]:
		return fmt.Errorf("start of %s, which is closed", call.Request.ID)
	case attempt.JobID != "" || attempt.StopReason != "":
		return fmt.Errorf("start of %s, which has job %q and is to be stopped for %q", call.Request.ID, attempt.JobID, attempt.StopReason)
	case !claimed(s) || !slices.Contains(s.Operation.Finalizers, v1alpha1.Finalizer):
		return fmt.Errorf("start without the claim or the finalizer")
	case s.Server.Status.ActiveOperation.By != s.Process || attempt.By != s.Process:
		return fmt.Errorf("start under the claim or the attempt of another process")
	case s.Confirmed == nil || s.Confirmed.Hold != nil:
		return fmt.Errorf("start without a last look")
	case !s.NotLanded && c.none != attempt.RequestID:
		return fmt.Errorf("start of %s, of which it is not known that it has made no job", attempt.RequestID)
	case s.Operation.Spec.Cancel || s.Operation.DeletionTimestamp != nil:
		return fmt.Errorf("start of what somebody wants ended")
	case call.Request.Server.UID != s.Operation.Status.DecidedOn.ServerUID:
		return fmt.Errorf("start on another Server than was decided on")
	}
	c.none = ""
	return checkMeant(s)
}

// checkMeant: the first attempt of what a rollout made is for a machine and a content as they were then.
func checkMeant(s *operation.Snapshot) error {
	for _, attempt := range s.Operation.Status.Attempts {
		if attempt.Outcome != "" && attempt.Outcome != v1alpha1.AttemptWithdrawn {
			return nil
		}
	}
	if s.Rollout != nil && (s.Rollout.Reason != "" || s.Rollout.Hold != nil) {
		return fmt.Errorf("start against the rollout's word: %+v", s.Rollout)
	}
	expected := s.Operation.Spec.Expected
	if expected == nil {
		return nil
	}
	last := ""
	if s.Server.Status.LastOperation != nil {
		last = s.Server.Status.LastOperation.UID
	}
	if s.Profile.Hash != expected.ProfileHash || last != expected.LastOperation && last != string(s.Operation.UID) {
		return fmt.Errorf("start of what was made for %+v, with %s after %q", expected, s.Profile.Hash, last)
	}
	return nil
}

// checkStatus: only legal moves, an end stays an end, bounded in size, right for kstatus.
func checkStatus(s *operation.Snapshot, next *v1alpha1.OperationStatus) error {
	before := &s.Operation.Status
	from, to := operation.StageOf(before), operation.StageOf(next)
	if from != to && !slices.Contains(legal[from], to) {
		return fmt.Errorf("an illegal move from %s to %s", from, to)
	}
	if before.Phase.Terminal() && (next.Phase != before.Phase || len(next.Attempts) != len(before.Attempts) || !before.CompletionTime.Equal(next.CompletionTime)) {
		return fmt.Errorf("an end was changed from %s to %s", before.Phase, next.Phase)
	}
	if before.Phase == v1alpha1.OperationRunning && next.Phase == v1alpha1.OperationPending {
		return fmt.Errorf("from Running back to Pending")
	}
	if open := countOpen(next); open > 1 || (next.Phase.Terminal() && open > 0) {
		return fmt.Errorf("%d open attempts in phase %s", open, next.Phase)
	}
	if weight, err := json.Marshal(next); err != nil || len(weight) > statusLimit || len(next.Attempts) > operation.MaxAttemptsKept {
		return fmt.Errorf("a status of %d bytes and %d attempts", len(weight), len(next.Attempts))
	}
	return checkConditions(s.Operation, next)
}

func countOpen(status *v1alpha1.OperationStatus) (open int) {
	for i := range status.Attempts {
		if status.Attempts[i].Outcome == "" {
			open++
		}
	}
	return open
}

// checkConditions: what kstatus computes from them is right.
func checkConditions(op *v1alpha1.Operation, status *v1alpha1.OperationStatus) error {
	is := func(kind string) metav1.ConditionStatus {
		if condition := meta.FindStatusCondition(status.Conditions, kind); condition != nil {
			return condition.Status
		}
		return ""
	}
	ready, reconciling, stalled := is(v1alpha1.ConditionReady), is(v1alpha1.ConditionReconciling), is(v1alpha1.ConditionStalled)
	right := ready == metav1.ConditionFalse && reconciling == metav1.ConditionTrue && stalled != metav1.ConditionTrue
	switch {
	case status.Phase == v1alpha1.OperationSucceeded:
		right = ready == metav1.ConditionTrue && reconciling == "" && stalled == metav1.ConditionFalse
	case status.Phase.Terminal():
		right = ready == metav1.ConditionFalse && reconciling == "" && stalled == metav1.ConditionTrue
	}
	if !right {
		return fmt.Errorf("phase %s with Ready=%s Reconciling=%s Stalled=%s", status.Phase, ready, reconciling, stalled)
	}
	for i := range status.Conditions {
		condition := &status.Conditions[i]
		if condition.Reason == "" || condition.LastTransitionTime.IsZero() || condition.ObservedGeneration != op.Generation {
			return fmt.Errorf("condition %s: reason %q, generation %d of %d", condition.Type, condition.Reason, condition.ObservedGeneration, op.Generation)
		}
	}
	if status.ObservedGeneration != op.Generation {
		return fmt.Errorf("generation %d observed, of %d", status.ObservedGeneration, op.Generation)
	}
	return nil
}

// checkServer: only a free Server is claimed, and only one's own claim is given back.
func checkServer(s *operation.Snapshot, next *v1alpha1.ServerStatus) error {
	before, after := s.Server.Status.ActiveOperation, next.ActiveOperation
	switch {
	case before != nil && !claimed(s):
		return fmt.Errorf("the Server of %s was written", before.Name)
	case after != nil && after.UID != string(s.Operation.UID):
		return fmt.Errorf("a claim for somebody else")
	case before == nil && after == nil:
		return fmt.Errorf("a Server was written that is not claimed")
	case s.Server.Status.Quarantine != nil && next.Quarantine == nil:
		return fmt.Errorf("a quarantine was lifted")
	}
	return nil
}

// checkWait: it waits for something that comes, and for no longer than a day.
func checkWait(s *operation.Snapshot, wait operation.Wait) error {
	if wait.Until.IsZero() {
		return nil
	}
	if ahead := wait.Until.Sub(s.Now); ahead <= 0 || ahead > 24*time.Hour {
		return fmt.Errorf("a wait of %s", ahead)
	}
	return nil
}
