package controllers

import (
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/engine/ledger"
)

// Scope is the set of namespaces that this controller looks after. The zero value is all of them.
type Scope struct {
	// Names that are looked after; empty for all.
	Names []string
	// Selector that a Namespace's labels must match; nil for all.
	Selector labels.Selector

	selected *selection
}

// selection holds the namespaces that the selector matches now, each with the number of its entry, and as of which version
// of each Namespace that is.
type selection struct {
	mu       sync.RWMutex
	names    map[string]int64
	versions map[string]string
	entries  int64
}

// NewScope gives the scope of a set of names and a selector.
func NewScope(names []string, selector labels.Selector) Scope {
	return Scope{Names: names, Selector: selector, selected: &selection{names: map[string]int64{}, versions: map[string]string{}}}
}

// Has tells whether a namespace is looked after.
func (s Scope) Has(namespace string) bool {
	if len(s.Names) > 0 && !contains(s.Names, namespace) {
		return false
	}
	if s.Selector == nil {
		return true
	}
	s.selected.mu.RLock()
	defer s.selected.mu.RUnlock()
	return s.selected.names[namespace] > 0
}

// entry tells apart the times that a namespace came into the scope: in between, somebody else may
// have worked there. It is zero where there is no selector, and nothing comes or goes.
func (s Scope) entry(namespace string) int64 {
	if s.Selector == nil {
		return 0
	}
	s.selected.mu.RLock()
	defer s.selected.mu.RUnlock()
	return s.selected.names[namespace]
}

// note records whether a Namespace's labels match, and tells whether they do by the newest version that was noted. Each
// kind's watch tells of the same change in its own time, and of what was before it: an older version than another's watch
// has told of would take a namespace out again under the feet of what that one has just begun.
func (s Scope) note(namespace client.Object) bool {
	matches := s.Selector.Matches(labels.Set(namespace.GetLabels()))
	s.selected.mu.Lock()
	defer s.selected.mu.Unlock()
	name, version := namespace.GetName(), namespace.GetResourceVersion()
	if order, err := resourceversion.CompareResourceVersion(version, s.selected.versions[name]); err == nil && order < 0 {
		return s.selected.names[name] > 0
	}
	s.selected.versions[name] = version
	switch {
	case !matches:
		delete(s.selected.names, name)
	case s.selected.names[name] == 0:
		s.selected.entries++
		s.selected.names[name] = s.selected.entries
	}
	return matches
}

// listNamespaces gives what to list: each name, or everything.
func (s Scope) listNamespaces() []string {
	if len(s.Names) > 0 {
		return s.Names
	}
	return []string{""}
}

func contains(all []string, one string) bool {
	for _, each := range all {
		if each == one {
			return true
		}
	}
	return false
}

// splitKey undoes "namespace/name".
func splitKey(key ledger.Key) (namespace, name string, ok bool) {
	return strings.Cut(string(key), "/")
}
