// Package host judges the Linux host that the machines run on: whether KVM works here, whether there is room for one
// more machine, and what a person would have to mend.
//
// In: facts, gathered from /proc, /sys, /dev, the tools and the network. Out: an accelerator and the reason for it, a
// refusal that says what is short, or a list of checks.
//
//	/proc /sys /dev tools ──Gather──▶ Facts ──Accelerate──▶ kvm | tcg, and why
//	                                        ──Admit───────▶ nil | what is short, by how much, the mend
//	                                        ──Doctor──────▶ name, ok | warn | fail, what was seen, the mend
//
// The judgements are pure. It must never change anything on the host: it opens, reads, and asks for versions.
package host
