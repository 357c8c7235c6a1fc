// Package ruletest runs the tables of tests that people keep beside their policies.
//
// In: a table in YAML, and the policies that it is about. Out: what is wrong with the table, by line;
// or a Report with each case, why it fails, and which rules and branches no case has seen both ways.
//
//	YAML ──Read──▶ Table ──Run(policies)──▶ Report ──JUnit──▶ XML
//
// A table:
//
//	policies: [per-rack.yaml]
//	cases:
//	- name: the second of a rack waits
//	  now: 2026-03-07T12:00:00Z
//	  facts:
//	    server: {labels: {rack: r1}}
//	  fleet:
//	  - {unavailable: {rack: r1}, count: 1}
//	  want:
//	    one-per-rack: held
//
// It judges by the same functions as the controller, and reads no files: who calls it does.
package ruletest
