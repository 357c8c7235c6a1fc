// Package wire holds the types of the DC API, generated from openapi.yaml: what a client sends, what a
// site answers, and the interface that a site implements. It is all that drivers and sites share, so that
// the real driver is what talks to a simulated site.
//
// In: openapi.yaml. Out: models, request builders (NewStartOperationRequest and its like), and ServerInterface
// with HandlerWithOptions. It must never hold behaviour of its own, and nothing in it is edited by hand.
package wire

//go:generate go tool -modfile=../../../tools/go.mod oapi-codegen -config config.yaml ../openapi.yaml
