// Package proxy stands between the controller and what it talks to, the API server or a datacenter,
// and counts. At any call it can stop, so that a test may kill the controller before the call
// reaches the server, or after the server has acted and before the reply is given; answer in the
// server's place; lose or hold back the reply; and freeze watches.
//
// In: the traffic of one controller, and a Rule that says for each call what is to happen to it. Out:
// counts by verb and resource, from outside the program that is measured.
//
//	controller ──▶ Proxy ──Rule──▶ API server or site
//	                 └── counts
//
// It must never change a call or a reply that no Rule asked it to change, nor hold back the events of
// a watch that is not frozen.
package proxy
