package explain

import (
	"strconv"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
)

// Judge an Operation by what the ledger counted, and by the policies that it judges by.
func (w *World) Judge(op *v1alpha1.Operation, l *ledger.Ledger) ledger.Told {
	return l.Tell(w.judged(w.Subject(op)), w.Now)
}

// Wish is an Operation's wish to start, with the facts that policies judge it by.
func (w *World) Wish(op *v1alpha1.Operation) ledger.Ask { return w.judged(w.Subject(op)) }

// Asked are the questions about the fleet that a policy asked, with their answers.
func Asked(told *ledger.PolicyTold) []Seen {
	var all []Seen
	for i := range told.Asked {
		all = append(all, Seen{What: "fleet." + told.Asked[i].Question.String(), Value: answer(told, i)})
	}
	return all
}

func answer(told *ledger.PolicyTold, i int) string {
	if told.Asked[i].Answer.Unknown {
		return "not counted"
	}
	return strconv.FormatInt(told.Asked[i].Answer.Count, 10)
}
