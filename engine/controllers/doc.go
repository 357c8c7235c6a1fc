// Package controllers carries decisions out. A reconciler reads top to bottom: get, gather the
// snapshot, decide, do the one thing, fold in what came back, and decide again until the answer is
// to wait. It never decides, never sleeps, and never waits for a datacenter: calls to sites are made
// by a pool of workers for each site, and their replies wake the Operation they belong to.
package controllers
