// Package stage is the demo: a control plane, two datacenters that pretend and the controller, all as real processes,
// and twenty servers that are repaved.
//
// In: a built checkout. Out: progress as it happens, and a verdict from the datacenters' own records, never from what
// the controller says of itself. It keeps everything in one folder, .stargate/demo, takes whatever ports are free, and
// must leave nothing running, however it ends: children die with it, and those of a demo that was kept are on record by
// pid and start time, so that the next one ends those processes and no others. A cluster of the user's is touched only
// when named.
package stage
