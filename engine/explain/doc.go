// Package explain answers "why not yet?": what an Operation must pass, in the order in which it is
// asked, which of it lets it pass and which does not, and what would change that.
//
// In: the World as it was seen at one time, and an Operation, which need not exist. Out: a Report.
//
//	World ──Ledger──▶ counts        ┌─ server, profile, datacenter, rollout, hooks (engine/operation)
//	   └───Explain(Operation)──────▶┤  server free, site's limit, policies        (engine/ledger)
//	                                └─ hooks that run when it is admitted          ──▶ Report{Gates}
//
// The gates are those of the controller, asked of the same functions, so that what is told is what is
// enforced. It never reads a clock or a client, and changes nothing in the World.
package explain
