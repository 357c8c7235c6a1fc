package rules

// Bare runs the programs that Evaluate would run, of a policy that matches, and does nothing else: what
// a judgement costs at the very least. It is there to be measured against.
func (p *Policy) Bare(f *Facts, fleet Fleet) {
	j := p.judge(f, fleet)
	defer j.done()
	var t trace
	j.trace = &t
	for _, condition := range p.conditions {
		if value, _, err := condition.program.Eval(j); err != nil || value.Value() != true {
			return
		}
	}
	for _, r := range p.rules {
		_, _, _ = r.violated.program.Eval(j)
	}
}
