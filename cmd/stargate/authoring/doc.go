// Package authoring is for whoever writes policies and hooks: it reads them from files as a fleet would,
// and checks them, with their tests, where no cluster is reached.
//
// In: files. Out: Policies and Hooks with the place of each, and problems with file, line, column and
// mend; reports of checks and tests. It applies nothing, and reads nothing but what it is given.
package authoring
