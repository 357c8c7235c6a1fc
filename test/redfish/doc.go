// Package redfish drives a simulated machine's management controller with a Redfish client that somebody else wrote
// (gofish), and asks QEMU what came of it. It is a module of its own, so that the client is no part of Stargate.
package redfish
