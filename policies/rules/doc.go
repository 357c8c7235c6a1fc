// Package rules compiles the CEL policies that people write and judges Operations by them.
//
// In: a policy's source, and later the Facts about one Operation with a Fleet that answers questions
// about all servers. Out: what is wrong with the source, by line and column; or findings, each with
// the rule, a message, what the rule read, and what would release it.
//
//	Source ──Compile──▶ Policy ──Evaluate(Facts, Fleet)──▶ Result{Findings}
//	   └─▶ Problems        └───Explain(Facts, Fleet)────▶ Explanation
//
// Facts are a documented shape of their own, so that the rules people write outlive changes of the
// kinds. It never reads a clock, a client or a file; a policy that does not compile, or fails while
// it is evaluated, holds whatever it matches and nothing else; and what an expression may cost is
// bounded both when it is compiled and when it runs.
package rules
