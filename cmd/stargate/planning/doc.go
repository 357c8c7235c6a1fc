// Package planning is what `stargate plan`, `diff` and `snapshot` do: it reads a commit of a fleet's
// repository and what lives, and tells what would follow.
//
// In: a working copy, a branch, a commit or a range of a local clone; and the objects of a cluster or of
// a snapshot file. Out: a report, for people, for programs and for a pull request.
//
//	clone ── Source ──▶ files ── tree.Read ──▶ tree ─┐
//	cluster ── Gather ──▶ World ◀── Load ── file      ├─▶ Plan ──▶ Text, Markdown, JSON
//	                        └────────────────────────┘
//
// What is added, changed and pruned is told by gitsync/apply, what is repaved by engine/plan, and when
// by engine/plan/forecast: what the controller goes by. It writes to no cluster and no repository, and
// never reads a Secret.
package planning
