// Package tree makes of the files of one commit the objects that should be, or says what is wrong
// with them.
//
// In: files as bytes, and what the fleet allows. Out: every object, complete with namespace and
// defaults, with file and line; or all problems at once, each with file, line and how to mend it. It
// never reads a file system, a cluster or a clock, and never lets a document grow without bound.
package tree

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"stargate.io/stargate/api/v1alpha1"
)

// File of a commit.
type File struct {
	// Path from the root of what is read, with slashes.
	Path string
	// Data of the blob.
	Data []byte
}

// Place in a file. Line and Column count from 1; zero where there is none.
type Place struct {
	File         string
	Line, Column int
}

// String as "file:line:column", as compilers write it.
func (p Place) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem of a commit.
type Problem struct {
	Place
	// Object as "Kind/name", where it is known.
	Object string
	// Field as a path such as "spec.rollout.waves[1].size", where it is one field's.
	Field string
	// Message says what is wrong, and Mend what to do about it.
	Message, Mend string
}

// Object of a commit.
type Object struct {
	Place
	// Content with namespace and name set, as it is sent: without defaults of the kind's schema.
	Content *unstructured.Unstructured
	// Typed is the same with the schema's defaults, as the API server would keep it: one of our kinds;
	// nil for the others.
	Typed any
}

// Key names an object in the cluster.
type Key struct {
	Kind            schema.GroupKind
	Namespace, Name string
}

// String as "Kind namespace/name".
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Kind.Kind + " " + k.Name
	}
	return k.Kind.Kind + " " + k.Namespace + "/" + k.Name
}

// Key of the object.
func (o *Object) Key() Key {
	return Key{Kind: o.Content.GroupVersionKind().GroupKind(), Namespace: o.Content.GetNamespace(), Name: o.Content.GetName()}
}

// Tree is what a commit says should be.
type Tree struct {
	// Objects in the order of Key: kind by kind as they are applied, then by namespace and name.
	Objects []*Object
	// Guard that the commit's fleet.yaml asks for; it can only be stricter than the Fleet's own.
	Guard *v1alpha1.Guard
}
