// Package report reads what `go test -json` says and prints what a person wants to know.
//
// In: the events of a run, as lines of JSON. Out: a line a package, each failure whole, a line now and then while
// nothing else happens, and at the end the skips with their reasons and the line `N passed, N failed, N skipped`.
// A test with subtests counts as its subtests, and one that says that it "does not apply" as nothing. It must never lose a failure: a package that does not build, panics
// or exits before its tests counts as failed.
package report
