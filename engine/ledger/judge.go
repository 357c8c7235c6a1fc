package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/policies/rules"
)

// maxHolds bounds what a status lists.
const maxHolds = 32

// Notice is what a rule says of an Operation that it lets pass: a warning, an audit, or what would have
// been if its policy were enforced.
type Notice struct {
	Policy, Rule string
	Effect       rules.Effect
	DryRun       bool
	Message      string
}

// judgement of one Operation, in one moment.
type judgement struct {
	denied bool
	holds  []v1alpha1.Hold
	// wait is the one of the things that hold it under which it waits; first is its hold.
	wait  blocker
	first int
	// until is when to ask again though nothing changes; zero for not at all.
	until   time.Time
	notices []Notice
	// matched policies, by their place in the ledger's list.
	matched []int
	// named is what it waits for among equals, if it still holds.
	named Named
}

func (j *judgement) passes() bool { return len(j.holds) == 0 }

// judge an Operation by the ledger's own rules and by every policy. Where it need not be told in full,
// a server that is busy says enough.
func (l *Ledger) judge(e *entry, now time.Time, full bool) judgement {
	j := judgement{named: e.Named}
	site := l.room(e.Site)
	if !e.reserved && e.machine.active > 0 {
		j.add(busyHold(e), blocker{classKey: classKey{kind: waitServer}}, time.Time{})
		if !full {
			return j
		}
	}
	l.ask(e, now, &j)
	if !e.reserved && site.isFull() {
		j.add(fullHold(e, site), blocker{classKey: classKey{kind: waitSite}, site: site}, time.Time{})
	}
	j.order()
	return j
}

// add what holds an Operation. It waits under what frees it most surely and costs least to wait for, and
// among equals under what its status names already: which of several full budgets somebody has just given
// a place back to is no news to those who still wait for another.
func (j *judgement) add(hold v1alpha1.Hold, wait blocker, until time.Time) {
	if !j.denied && (len(j.holds) == 0 || preference(wait.kind) < preference(j.wait.kind) ||
		preference(wait.kind) == preference(j.wait.kind) && j.named == nameOf(&hold)) {
		j.first, j.wait, j.until = len(j.holds), wait, until
	}
	j.holds = append(j.holds, hold)
}

func nameOf(hold *v1alpha1.Hold) Named { return Named{Source: hold.Source, Rule: hold.Rule} }

// preference among what to wait under: what no event frees first, because nothing needs to be looked at
// meanwhile.
func preference(kind waitKind) int {
	return slices.Index([]waitKind{waitNothing, waitClock, waitServer, waitCount, waitSite, waitAny}, kind)
}

// order puts what the Operation waits for first, and bounds the list.
func (j *judgement) order() {
	if len(j.holds) == 0 {
		return
	}
	first := j.holds[j.first]
	j.holds = slices.Delete(j.holds, j.first, j.first+1)
	j.holds = slices.Insert(j.holds, 0, first)
	j.first = 0
	if len(j.holds) > maxHolds {
		j.holds = j.holds[:maxHolds]
	}
}

// ask every policy.
func (l *Ledger) ask(e *entry, now time.Time, j *judgement) {
	if e.Facts == nil || len(l.policies) == 0 {
		return
	}
	facts := *e.Facts
	facts.Now = now
	fleet := &view{ledger: l, entry: e, now: now}
	j.matched = make([]int, 0, len(l.hashed.matched))
	for i, policy := range l.policies {
		result := policy.Evaluate(&facts, fleet)
		if result.Matched {
			j.matched = append(j.matched, i)
		}
		for _, f := range result.Findings {
			if f.Effect == rules.Hold && !f.DryRun && !overridden(e, &f) {
				f = policy.Foresee(&facts, fleet, f)
			}
			l.find(e, policy, &facts, &f, now, j)
		}
	}
}

// find takes one finding in.
func (l *Ledger) find(e *entry, policy Policy, facts *rules.Facts, f *rules.Finding, now time.Time, j *judgement) {
	blocks := f.Effect == rules.Hold || f.Effect == rules.Deny
	switch {
	case blocks && overridden(e, f):
	case f.DryRun || !blocks:
		j.notices = append(j.notices, Notice{Policy: f.Policy, Rule: f.Rule, Effect: f.Effect, DryRun: f.DryRun, Message: f.Message})
	case f.Effect == rules.Deny:
		if !j.denied {
			j.denied, j.first, j.until = true, len(j.holds), time.Time{}
		}
		j.holds = append(j.holds, holdOf(f))
	default:
		wait, until := l.blockerOf(e, f, now)
		if wait.kind == waitCount && !wait.rising && freedByMore(policy, facts, &view{ledger: l, entry: e, now: now}, f) {
			wait.kind, wait.reads = waitAny, []rules.Question{wait.question}
		}
		j.add(holdOf(f), wait, until)
	}
}

func overridden(e *entry, f *rules.Finding) bool {
	return slices.ContainsFunc(e.Overrides, func(rule string) bool { return rule == f.Policy || rule == f.Policy+"/"+f.Rule })
}

// oneMore answers as the fleet does, but for one question, whose count is one more.
type oneMore struct {
	*view
	question rules.Question
}

// Answer implements rules.Fleet.
func (o *oneMore) Answer(q rules.Question) rules.Answer {
	answer := o.view.Answer(q)
	if q == o.question {
		answer.Count++
	}
	return answer
}

// freedByMore tells whether a rule that a smaller count frees is freed by a greater one too, as one that
// asks for "not two" is.
func freedByMore(policy Policy, facts *rules.Facts, fleet *view, f *rules.Finding) bool {
	result := policy.Evaluate(facts, &oneMore{view: fleet, question: f.Asked[0].Question})
	return !slices.ContainsFunc(result.Findings, func(other rules.Finding) bool { return other.Rule == f.Rule })
}

// blockerOf says what frees an Operation from a rule.
func (l *Ledger) blockerOf(e *entry, f *rules.Finding, now time.Time) (blocker, time.Time) {
	key := classKey{policy: f.Policy, rule: f.Rule}
	until, reads, counts := earliest(f, now), l.readsOf(f), countsOf(f)
	switch {
	case len(reads) == 0 && !until.IsZero() && f.Recheck == 0:
		key.kind, key.at = waitClock, until.UnixNano()
	case len(reads) == 0:
		key.kind = waitNothing
	case len(reads) == 1 && len(counts) == 1 && *counts[0].Question == reads[0] && reads[0].Kind != rules.Failed:
		key.kind, key.question, key.threshold = waitCount, reads[0], counts[0].Count
		key.rising = counts[0].Count > answered(f, reads[0])
		key.own = (&view{ledger: l, entry: e}).own(l.counters[reads[0].Dimension], reads[0].Values)
	default:
		key.kind = waitAny
		return blocker{classKey: key, reads: reads}, until
	}
	return blocker{classKey: key}, until
}

// readsOf are the counts of this ledger that a rule was asked with, each once.
func (l *Ledger) readsOf(f *rules.Finding) []rules.Question {
	var reads []rules.Question
	for _, asked := range f.Asked {
		if l.counters[asked.Question.Dimension] != nil && !slices.Contains(reads, asked.Question) {
			reads = append(reads, asked.Question)
		}
	}
	return reads
}

// countsOf are the counts that release a rule.
func countsOf(f *rules.Finding) []*rules.Release {
	var counts []*rules.Release
	for i := range f.Releases {
		if f.Releases[i].Question != nil {
			counts = append(counts, &f.Releases[i])
		}
	}
	return counts
}

func answered(f *rules.Finding, q rules.Question) int64 {
	for _, asked := range f.Asked {
		if asked.Question == q {
			return asked.Answer.Count
		}
	}
	return 0
}

// earliest is when a rule is to be asked again though nothing changes; zero for never.
func earliest(f *rules.Finding, now time.Time) time.Time {
	var first time.Time
	sooner := func(at time.Time) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for _, release := range slices.Concat(f.Releases, f.Together) {
		sooner(release.At)
	}
	for _, asked := range f.Asked {
		sooner(asked.Answer.Changes)
	}
	if f.Recheck > 0 {
		sooner(now.Add(f.Recheck))
	}
	if !first.IsZero() && !first.After(now) {
		return now.Add(time.Second) // what says that it is over, and is not, is not asked without end
	}
	return first
}

// holdOf a finding.
func holdOf(f *rules.Finding) v1alpha1.Hold {
	hold := v1alpha1.Hold{Source: "Policy/" + f.Policy, Rule: f.Rule, Reason: f.Reason, Message: f.Message}
	var clears []string
	for i := range f.Releases {
		release := &f.Releases[i]
		if !release.At.IsZero() && (hold.Until == nil || release.At.Before(hold.Until.Time)) {
			at := metav1.NewTime(release.At)
			hold.Until = &at
		}
		if release.Text != "" {
			clears = append(clears, release.Text)
		}
		if release.Question != nil && len(f.Asked) == 1 {
			count, limit := answered(f, *release.Question), release.Count
			if limit < count {
				limit++ // the Operation itself is the one that is missing
			}
			hold.Observed, hold.Limit = fmt.Sprint(count), fmt.Sprint(limit)
			if hold.Reason == rules.ReasonViolated {
				hold.Reason = v1alpha1.ReasonLimitReached
			}
		}
	}
	if hold.ClearsWhen = strings.Join(clears, ", or "); hold.ClearsWhen == "" {
		hold.ClearsWhen = together(f)
	}
	return hold
}

// together says which changes release a rule that no single one does, or who can.
func together(f *rules.Finding) string {
	switch {
	case f.Reason == rules.ReasonBroken:
		return "the Policy is mended: stargate policy check"
	case f.Reason != rules.ReasonViolated:
		return "what the rule asks for can be told, or the Policy is edited"
	case len(f.Together) == 0:
		return "what the rule reads is otherwise, or the Policy is edited"
	}
	var all []string
	for i := range f.Together {
		all = append(all, f.Together[i].Text)
	}
	return strings.Join(all, ", and ")
}

func busyHold(e *entry) v1alpha1.Hold {
	_, server, _ := strings.Cut(string(e.Server), "/")
	_, name, _ := strings.Cut(string(e.machine.holder), "/")
	return v1alpha1.Hold{
		Source: "Server/" + server, Rule: "one-operation-per-server", Reason: v1alpha1.ReasonServerBusy,
		Message:  fmt.Sprintf("Operation %s is at work on server %s", name, server),
		Observed: "1", Limit: "1", ClearsWhen: "Operation/" + name + " ends",
	}
}

func fullHold(e *entry, site *room) v1alpha1.Hold {
	_, name, _ := strings.Cut(string(e.Site), "/")
	return v1alpha1.Hold{
		Source: "Datacenter/" + name, Rule: "concurrent-operations", Reason: v1alpha1.ReasonLimitReached,
		Message:  fmt.Sprintf("%d of %d Operations that Datacenter %s allows at once are under way", site.active, site.limit, name),
		Observed: fmt.Sprint(site.active), Limit: fmt.Sprint(site.limit), ClearsWhen: "one of them ends",
	}
}

// verdict on an Operation that has been judged.
func (l *Ledger) verdict(e *entry, j *judgement, wake []Key) Verdict {
	v := Verdict{Holds: j.holds, Denied: j.denied, Until: j.until, Wake: wake}
	if !j.passes() {
		return v
	}
	v.Admitted = true
	v.PolicyHash = l.hashOf(j.matched)
	if !e.noticed {
		v.Notices, e.noticed = j.notices, true
	}
	return v
}

// hashed is the hash over the policies that somebody was judged by. Whoever comes next is mostly of the
// same rollout, and judged by the same.
type hashed struct {
	matched []int
	hash    string
}

// hashOf policies, by their places, in the order of their names; empty for none.
func (l *Ledger) hashOf(matched []int) string {
	if len(matched) == 0 {
		return ""
	}
	if !slices.Equal(matched, l.hashed.matched) {
		sum := sha256.New()
		for _, i := range matched {
			_, _ = fmt.Fprintf(sum, "%s=%s\n", l.policies[i].Name(), l.policies[i].Hash())
		}
		l.hashed = hashed{matched: matched, hash: hex.EncodeToString(sum.Sum(nil))[:32]}
	}
	return l.hashed.hash
}
