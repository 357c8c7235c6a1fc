package proxy

import (
	"net/http"
	"strings"
)

// Call is one request as the proxy sees it.
type Call struct {
	// N counts the proxy's calls from 1; Nth counts those with the same Write, and Like those with the
	// same String.
	N, Nth, Like int
	// Verb as in Kubernetes' audit log, such as "get", "watch" or "update"; at a site what the driver
	// does: "start", "find", "status", "cancel" or "probe".
	Verb string
	// Resource with its subresource, such as "operations/status"; empty at a site.
	Resource string
	// Namespace and Name of the object; Name is the job's at a site. Empty where the path has none.
	Namespace, Name string
	// Write tells whether it can change something. Events and leases do not count: they tell of the
	// work, and are no part of it.
	Write bool
	// Agent is the caller's User-Agent.
	Agent string
}

// String gives what Counts are kept by, for example "update operations/status" or "start".
func (c Call) String() string {
	if c.Resource == "" {
		return c.Verb
	}
	return c.Verb + " " + c.Resource
}

// apiCall reads a request to an API server.
func apiCall(r *http.Request) Call {
	call := Call{Agent: r.UserAgent(), Verb: verbs[r.Method]}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		call.Resource = r.URL.Path // discovery, health, metrics
		return call
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		call.Namespace, parts = parts[1], parts[2:]
	}
	call.Resource = parts[0]
	if len(parts) > 1 {
		call.Name = parts[1]
	}
	if len(parts) > 2 {
		call.Resource += "/" + strings.Join(parts[2:], "/")
	}
	if call.Verb == "get" && call.Name == "" {
		call.Verb = "list"
		if isWatch(r) {
			call.Verb = "watch"
		}
	}
	if call.Verb == "delete" && call.Name == "" {
		call.Verb = "deletecollection"
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	call.Write = !reads && parts[0] != "events" && parts[0] != "leases"
	return call
}

var verbs = map[string]string{
	http.MethodGet: "get", http.MethodHead: "get", http.MethodPost: "create", http.MethodPut: "update",
	http.MethodPatch: "patch", http.MethodDelete: "delete", http.MethodOptions: "options",
}

func isWatch(r *http.Request) bool {
	watch := r.URL.Query().Get("watch")
	return watch == "true" || watch == "1"
}

// siteCall reads a request to a datacenter, of either version of its API.
func siteCall(r *http.Request) Call {
	call := Call{Agent: r.UserAgent(), Write: r.Method != http.MethodGet}
	path := strings.Trim(r.URL.Path, "/")
	job, isJob := strings.CutPrefix(path, "jobs/")
	switch {
	case call.Write && strings.HasSuffix(path, "cancel"):
		call.Verb = "cancel"
		call.Name = strings.TrimSuffix(job, "/cancel")
	case call.Write:
		call.Verb = "start"
	case isJob:
		call.Verb, call.Name = "status", job
	case path == "jobs":
		call.Verb = "find"
	default:
		call.Verb = "probe"
	}
	return call
}
