package fault

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
)

// banLabel says which of the bans a server of the storm is under, by its effect.
const banLabel = "ban"

// ban is a Policy that lets no Operation on its servers pass, in any of the shapes that it has while it is
// there: one that does not compile holds whatever it matches.
type ban struct {
	effect v1alpha1.Effect
	policy *v1alpha1.Policy // nil while there is none
	// in force: from after it was made until before it is deleted.
	from  time.Time
	spans []span
}

type span struct{ from, to time.Time }

// meddle has somebody make, break, mend and delete the bans all the while. What it gives ends that, leaves
// no ban, and tells how often one was changed.
func (s *storm) meddle() (end func() int) {
	over, edits := make(chan struct{}), make(chan int, 1)
	go func() {
		random := rand.New(rand.NewPCG(*seed, 11)) // a storm that can be made again
		for n := 0; ; n++ {
			select {
			case <-over:
				edits <- n
				return
			case <-time.After(*stormLease/4 + time.Duration(random.Int64N(int64(*stormLease)))):
			}
			s.change(s.bans[random.IntN(len(s.bans))], random)
		}
	}()
	end = sync.OnceValue(func() int {
		close(over)
		n := <-edits
		for _, b := range s.bans {
			s.lift(b)
		}
		return n
	})
	s.Cleanup(func() { end() })
	return end
}

// change a ban in one way or another.
func (s *storm) change(b *ban, random *rand.Rand) {
	switch {
	case b.policy == nil:
		s.impose(b)
	case random.IntN(2) == 0:
		s.lift(b)
	default:
		expression := "server.nothing == 1" // of which there is no such field
		if b.policy.Spec.Rules[0].Expression == expression {
			expression = "false"
		}
		if err := s.patch(b.policy, func() { b.policy.Spec.Rules[0].Expression = expression }); err != nil {
			s.Errorf("editing the ban: %v", err)
		}
	}
}

func (s *storm) impose(b *ban) {
	var namespaces []string
	for _, each := range s.rooms {
		namespaces = append(namespaces, each.namespace)
	}
	policy := &v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: s.namespace + "-ban-" + strings.ToLower(string(b.effect))},
		Spec: v1alpha1.PolicySpec{
			Match: v1alpha1.Match{Namespaces: namespaces, ServerSelector: &v1alpha1.LabelSelector{
				MatchLabels: map[string]v1alpha1.LabelValue{banLabel: v1alpha1.LabelValue(b.effect)}}},
			Rules: []v1alpha1.Rule{{Name: "ban", Expression: "false", Effect: b.effect, Message: "a ban"}}}}
	if err := s.live.Create(context.Background(), policy); err != nil {
		s.Errorf("making the ban: %v", err)
		return
	}
	b.policy, b.from = policy, time.Now()
}

func (s *storm) lift(b *ban) {
	if b.policy == nil {
		return
	}
	b.spans = append(b.spans, span{b.from, time.Now()})
	if err := s.live.Delete(context.Background(), b.policy); err != nil {
		s.Errorf("lifting the ban: %v", err)
	}
	b.policy = nil
}

// judgeBans looks for jobs that a ban forbade: one that was there from before the intent was written until
// the site took the job was there when the policies were asked for the last time.
func (s *storm) judgeBans() {
	intents, denied := map[string]time.Time{}, 0
	for _, op := range s.ops {
		now := &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: op.Namespace, Name: op.Name}}
		if !s.see(now) {
			continue
		}
		for i := range now.Status.Attempts {
			intents[now.Status.Attempts[i].RequestID] = now.Status.Attempts[i].StartedAt.Time
		}
		if now.Status.Phase == v1alpha1.OperationDenied {
			denied++
		}
	}
	asked := 0
	for _, each := range s.rooms {
		for _, event := range each.site.Record() {
			b := s.banned[client.ObjectKey{Namespace: each.namespace, Name: event.ServerID}]
			if event.Kind != site.Accepted || b == nil {
				continue
			}
			asked++
			intent, ok := intents[event.RequestID]
			if !ok {
				s.Errorf("job %s for server %s: no Operation has an intent of request %s", event.JobID, event.ServerID, event.RequestID)
			}
			if i := slices.IndexFunc(b.spans, func(in span) bool { return in.from.Before(intent) && event.At.Before(in.to) }); i >= 0 {
				s.Errorf("server %s: job %s, intended at %s and taken at %s, under a policy that was there from %s to %s",
					event.ServerID, event.JobID, intent, event.At, b.spans[i].from, b.spans[i].to)
			}
		}
	}
	s.Logf("%d jobs on servers under a ban at times, %d Operations denied; bans: %d and %d", asked, denied, len(s.bans[0].spans), len(s.bans[1].spans))
}
