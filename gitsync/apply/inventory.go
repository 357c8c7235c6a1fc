package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"

	"stargate.io/stargate/api/v1alpha1"
)

// inventory as it is summed up, in the order of the objects.
type inventory struct {
	hash  hash.Hash
	line  []byte
	total int32
	kinds map[string]int32
}

func newInventory() *inventory { return &inventory{hash: sha256.New(), kinds: map[string]int32{}} }

func (i *inventory) add(c content) {
	i.total++
	i.kinds[c.key.Kind.Kind]++
	i.line = i.line[:0]
	for _, word := range []string{c.key.Kind.Kind, c.key.Namespace, c.key.Name, c.digest} {
		i.line = append(append(i.line, word...), 0)
	}
	i.hash.Write(i.line)
}

func (i *inventory) inventory() v1alpha1.FleetInventory {
	all := v1alpha1.FleetInventory{Digest: "sha256:" + hex.EncodeToString(i.hash.Sum(nil)), Objects: i.total}
	for kind, count := range i.kinds {
		all.Kinds = append(all.Kinds, v1alpha1.KindCount{Kind: kind, Count: count})
	}
	slices.SortFunc(all.Kinds, func(a, b v1alpha1.KindCount) int { return ranks[a.Kind] - ranks[b.Kind] })
	return all
}
