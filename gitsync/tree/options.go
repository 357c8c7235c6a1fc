package tree

import (
	"stargate.io/stargate/api/v1alpha1"
)

// Options say what a commit may hold.
type Options struct {
	// Fleet that the commit is of, by name.
	Fleet string
	// AllowKinds of Kubernetes itself that the commit may hold beside Stargate's own.
	AllowKinds []v1alpha1.ForeignKind
	// ForbidNamespaces that no object of a commit may be in, for example the controller's own. Those that begin
	// with "kube-" never may.
	ForbidNamespaces []string
	// Limits on the commit; those that are zero are DefaultLimits'.
	Limits Limits
	// Schemas of our kinds. Without them objects are neither defaulted nor checked field by field.
	Schemas *Schemas
	// CheckProfile, CheckPolicy and CheckHook say what a schema cannot: whether templates, expressions and scripts
	// compile. They are asked from several goroutines at once. Nil ones are not asked.
	CheckProfile func(*v1alpha1.ProvisioningProfile) error
	CheckPolicy  func(*v1alpha1.Policy) []Slip
	CheckHook    func(*v1alpha1.Hook) []Slip
}

// Limits on a commit. What goes beyond them is refused before it takes room.
type Limits struct {
	// Objects of the commit.
	Objects int
	// Documents of one file.
	Documents int
	// DocumentBytes of one YAML document, and of the object that it becomes once its aliases are written out.
	DocumentBytes int
	// Depth of one document: mappings and lists within each other.
	Depth int
	// Aliases of one document.
	Aliases int
	// Expansion of one document: how many times more nodes it may have once its aliases are written out.
	Expansion int
	// Problems that are told; of the rest it is told how many there are.
	Problems int
}

// DefaultLimits hold where Options say nothing else.
func DefaultLimits() Limits {
	return Limits{
		Objects: 50_000, Documents: 20_000, DocumentBytes: 1 << 20, Depth: 64, Aliases: 1_000, Expansion: 20,
		Problems: 200,
	}
}

// or gives l with what is zero taken from the other.
func (l Limits) or(other Limits) Limits {
	pick := func(a, b int) int {
		if a > 0 {
			return a
		}
		return b
	}
	return Limits{
		Objects:       pick(l.Objects, other.Objects),
		Documents:     pick(l.Documents, other.Documents),
		DocumentBytes: pick(l.DocumentBytes, other.DocumentBytes),
		Depth:         pick(l.Depth, other.Depth),
		Aliases:       pick(l.Aliases, other.Aliases),
		Expansion:     pick(l.Expansion, other.Expansion),
		Problems:      pick(l.Problems, other.Problems),
	}
}
