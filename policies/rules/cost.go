package rules

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"k8s.io/apiserver/pkg/cel/library"
)

// Costs of the functions that are ours, in units.
const (
	// costAsk is a question to the fleet, which is answered in constant time.
	costAsk = 10
	// costClock is a method of now.
	costClock = 20
)

// prices of calls, estimated and as they run: those of Kubernetes, and ours.
type prices struct {
	library.CostEstimator
	sizes
}

func priceOf(function string) (uint64, bool) {
	if function == askFunction {
		return costAsk, true
	}
	for _, m := range methods {
		if function == m.internal() {
			return costClock, true
		}
	}
	return 0, false
}

// CallCost as it ran.
func (p prices) CallCost(function, overload string, args []ref.Val, result ref.Val) *uint64 {
	if function == askFunction || len(function) > 0 && function[0] == '@' {
		if price, ok := priceOf(function); ok {
			return &price
		}
	}
	return p.CostEstimator.CallCost(function, overload, args, result)
}

// EstimateCallCost as it may come to.
func (p prices) EstimateCallCost(function, overload string, target *checker.AstNode, args []checker.AstNode) *checker.CallEstimate {
	if price, ok := priceOf(function); ok {
		return &checker.CallEstimate{CostEstimate: checker.CostEstimate{Min: price, Max: price}}
	}
	return p.CostEstimator.EstimateCallCost(function, overload, target, args)
}

// EstimateSize of what is read from the Facts.
func (p prices) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	return p.sizes.EstimateSize(node)
}

// The sizes that Facts are taken to have at most, by which costs are estimated. Facts that are larger
// are judged all the same, up to what an evaluation may cost.
const (
	// mostText of a name, a value, or what an expression makes of them, in bytes.
	mostText = 256
	// mostLabels of an object, and mostNames in a list.
	mostLabels, mostNames = 64, 64
)

type sizes struct{}

func (sizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	most := uint64(mostText)
	if kind := node.Type().Kind(); kind == types.ListKind || kind == types.MapKind {
		most = mostLabels
	}
	return &checker.SizeEstimate{Min: 0, Max: most}
}

// EstimateCallCost is for prices.
func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// estimate what an expression can come to.
func (c *compiler) estimate(checked *cel.Ast) (uint64, error) {
	p := prices{CostEstimator: library.CostEstimator{SizeEstimator: sizes{}}}
	estimate, err := c.env.EstimateCost(checked, p, checker.PresenceTestHasCost(false))
	if err != nil {
		return 0, fmt.Errorf("estimating its cost: %w", err)
	}
	return estimate.Max, nil
}

// costs refuses a policy that could cost too much, expression by expression and as a whole.
func (c *compiler) costs() {
	var whole uint64
	for _, e := range c.all() {
		if e.cost > MaxCost {
			c.problem(e.path, "it could cost up to %s units, and may %s: look at fewer things, nest no loops over lists, or move what repeats to a variable", grouped(e.cost), grouped(MaxCost))
		}
		whole += min(e.cost, MaxCost)
	}
	if whole > MaxPolicyCost {
		c.problem("spec", "all expressions together could cost up to %s units, and may %s: write two policies", grouped(whole), grouped(MaxPolicyCost))
	}
}

// all expressions of the policy that compiled.
func (c *compiler) all() []*expression {
	var all []*expression
	for _, list := range [][]*expression{c.policy.variables, c.policy.conditions} {
		for _, e := range list {
			if e.program != nil {
				all = append(all, e)
			}
		}
	}
	for _, r := range c.policy.rules {
		all = append(all, r.violated)
		if r.message != nil {
			all = append(all, r.message)
		}
	}
	return all
}

// grouped number, with a space at each thousand.
func grouped(n uint64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s %03d", grouped(n/1000), n%1000)
}
