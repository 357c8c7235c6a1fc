// Package plan says what would follow from a commit: which servers would be repaved and why, and
// whether the guard lets that pass. Its package forecast says when.
//
// In: what lives, and the tree of a commit. Out: what would live after it, the repaves that follow
// from the difference, and a verdict.
//
//	live ──After(tree)──▶ after
//	  └──────Repaves───────┘ ──▶ GuardVerdict
//
// A server of which it cannot tell that it has what it should have counts: unknown is not old. It never
// reads a client or a clock, and changes nothing that it is given.
package plan
