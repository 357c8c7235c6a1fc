package plan

import (
	"fmt"
	"strings"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// Move of a machine that is in use to a Server of which nothing is recorded: the Server was renamed, or
// went to another namespace.
type Move struct {
	// From is the Server that the machine was known by, as it was before the commit.
	From *v1alpha1.Server
	// To is the Server that it would be known by, as it would be after.
	To *v1alpha1.Server
	// What tells that both are one machine, for example "mac aa:bb:cc:dd:ee:01".
	What string
}

// Moved gives the machines in use that a rollout would provision as new ones after the commit, since its
// group selects a Server of which nothing is recorded, and which shares the machine's identity with one
// of which something is. One that is to be adopted is not among them. What neither the commit nor its
// prune brings about is left out: that both were there before, with the same identity and one selected,
// and still are.
func Moved(before, after State) []Move {
	inUse := identified(before.Servers)
	was, stays := make(map[key]*v1alpha1.Server, len(before.Servers)), make(map[key]bool, len(after.Servers))
	for _, server := range before.Servers {
		was[keyOf(server)] = server
	}
	for _, server := range after.Servers {
		stays[keyOf(server)] = true
	}
	wanted, will := contents{}.look(before).wanting, contents{}.look(after).wanting
	var moves []Move
	for _, to := range after.Servers {
		if touched(to) || will[keyOf(to)].group == nil {
			continue
		}
		from, what := inUse.machine(to)
		if from == nil {
			continue
		}
		old := was[keyOf(to)]
		if stays[keyOf(from)] && old != nil && shares(old, what) && wanted[keyOf(to)].group != nil {
			continue
		}
		moves = append(moves, Move{From: from, To: to, What: what})
	}
	return moves
}

// touched tells whether a Server stands for a machine in use: something is recorded of it, is being done
// to it, or somebody says what it runs.
func touched(server *v1alpha1.Server) bool {
	status := &server.Status
	return status.State != v1alpha1.ServerUntouched || status.Applied != nil || status.LastOperation != nil || status.ActiveOperation != nil ||
		server.Spec.Adopt != nil
}

// machines in use, by what they are known by.
type machines map[string]*v1alpha1.Server

// identified gives the machines in use. A serial number that several Servers have is no machine's own.
func identified(servers []*v1alpha1.Server) machines {
	serials := map[string]int{}
	for _, server := range servers {
		serials[serial(server)]++
	}
	inUse := make(machines, 2*len(servers))
	for _, server := range servers {
		if !touched(server) {
			continue
		}
		for _, mark := range marks(server) {
			if _, known := inUse[mark]; !known && (mark != serial(server) || serials[mark] == 1) {
				inUse[mark] = server
			}
		}
	}
	return inUse
}

// machine in use that the Server names; nil for none.
func (m machines) machine(server *v1alpha1.Server) (from *v1alpha1.Server, what string) {
	for _, mark := range marks(server) {
		if from := m[mark]; from != nil && keyOf(from) != keyOf(server) {
			return from, told(mark)
		}
	}
	return nil, ""
}

// shares tells whether a Server is known by that too.
func shares(server *v1alpha1.Server, what string) bool {
	for _, mark := range marks(server) {
		if told(mark) == what {
			return true
		}
	}
	return false
}

// marks are what a machine is known by in every namespace. An address is one's own only within one, and
// is marked with it.
func marks(server *v1alpha1.Server) []string {
	all := operation.Identities(&server.Spec)
	for i, mark := range all {
		if strings.HasPrefix(mark, "address ") {
			all[i] = mark + inNamespace + server.Namespace
		}
	}
	if own := serial(server); own != "" {
		all = append(all, own)
	}
	return all
}

const inNamespace = " in namespace "

func serial(server *v1alpha1.Server) string {
	if number := strings.TrimSpace(server.Spec.Inventory.SerialNumber); number != "" {
		return "serial number " + number
	}
	return ""
}

func told(mark string) string {
	what, _, _ := strings.Cut(mark, inNamespace)
	return what
}

// With asks for an approval where machines in use would be wiped since their Servers moved, whatever the
// numbers say.
func (v Verdict) With(moves []Move) Verdict {
	if len(moves) == 0 {
		return v
	}
	message, first := "", moves[0]
	if len(moves) > 1 {
		message = fmt.Sprintf("%s in use would be wiped under other names, the first of them: ", count(len(moves), "machine"))
	}
	message += fmt.Sprintf("Server %s is the machine that is in use as Server %s (%s), nothing is recorded of it under that name, and it would be wiped: "+
		"add spec.adopt{profile: %s} to keep what it runs, or approve the commit to have it wiped", nameOf(first.To), nameOf(first.From), first.What, runs(first.From))
	if v.Message != "" {
		message = v.Message + "; " + message
	}
	v.Allowed, v.Message = false, message
	return v
}

func nameOf(server *v1alpha1.Server) string { return server.Namespace + "/" + server.Name }

// runs gives the profile that a machine is known to run.
func runs(server *v1alpha1.Server) string {
	switch {
	case server.Status.Applied != nil && server.Status.Applied.Profile != "":
		return server.Status.Applied.Profile
	case server.Spec.Adopt != nil:
		return server.Spec.Adopt.Profile
	}
	return "…"
}
