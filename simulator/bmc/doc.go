// Package bmc is a management controller for each machine: a Redfish service (DSP0266) that Redfish clients accept as
// that of a real server, with power, boot override and virtual media.
//
// In: HTTP from whoever has the password. Out: what Panels are told to do to one machine, and resources made from what
// is known of it. A request is turned into a deed by nothing but its path, method and body; what stays is in Panels (boot
// override, medium) or in the media folder (the medium's file); sessions are forgotten with the process.
//
//	client ─▶ session or basic auth ─▶ resource ─▶ ETag ─▶ GET: Front and Status as JSON
//	                                                  └──▶ PATCH, action: Panels, or a Redfish error
//
// A power action through a management controller is an out-of-band deed: it is refused as ResourceInUse while a job is on
// the machine. It must never read or write a file outside the media folder, nor work on a machine but its own.
package bmc
