// Package fences keeps the shape of the house by tests: which package may import which, what a pure package must not
// reach for, that every package and everything exported says what it is for, and that files stay short. What fails here
// names the file and the rule; the rules are in the design ("The house") and in how the code is to read.
package fences
