package network

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// View is what can be told of the host's network without touching it.
type View struct {
	// Unknown says why nothing else could be told; "" when it could.
	Unknown string
	// Problem says what is in the network's way, and how to mend it; "" for nothing.
	Problem string
	// Forwarding: the host forwards IPv4 already.
	Forwarding bool
	// Bridge is its name.
	Bridge string
	// Drops are the chains of others, as "ip filter FORWARD", that drop what they do not know of what is forwarded, by their
	// policy or their last rule: what our rules let pass, they may still drop.
	Drops []string
	// Bridged: what goes from machine to machine passes those chains too (br_netfilter).
	Bridged bool
}

// Look tells what stands in the way of a network. file is network.json, which need not be there.
func Look(file string, config Config) View {
	view, err := look(file, config)
	if err != nil {
		return View{Unknown: err.Error()}
	}
	return view
}

func look(file string, config Config) (View, error) {
	before, err := load(file)
	if err != nil {
		return View{}, err
	}
	now, err := survey()
	if err != nil {
		return View{}, err
	}
	drops, err := dropping(config.Table)
	if err != nil {
		return View{}, fmt.Errorf("listing nftables chains: %w", err)
	}
	view := View{Bridge: config.Bridge, Forwarding: now.settings[ipForward] == "1", Drops: drops}
	if _, err := intend(config, before, now, ""); err != nil {
		view.Problem = err.Error()
	}
	if value, err := readSetting("net/bridge/bridge-nf-call-iptables"); err == nil { // absent without br_netfilter
		view.Bridged = value == "1"
	}
	return view, nil
}

// dropping gives the chains that drop what is forwarded unless they know it.
func dropping(own string) ([]string, error) {
	conn := &nftables.Conn{}
	chains, err := conn.ListChains()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, chain := range chains {
		family := map[nftables.TableFamily]string{nftables.TableFamilyINet: "inet", nftables.TableFamilyIPv4: "ip"}[chain.Table.Family]
		if family == "" || family == "inet" && chain.Table.Name == own || chain.Hooknum == nil || *chain.Hooknum != *nftables.ChainHookForward {
			continue
		}
		drops, err := dropsUnknown(conn, chain)
		if err != nil {
			return nil, err
		}
		if drops {
			found = append(found, fmt.Sprintf("%s %s %s", family, chain.Table.Name, chain.Name))
		}
	}
	return found, nil
}

func dropsUnknown(conn *nftables.Conn, chain *nftables.Chain) (bool, error) {
	if chain.Policy != nil && *chain.Policy == nftables.ChainPolicyDrop {
		return true, nil
	}
	rules, err := conn.GetRules(chain.Table, chain)
	if err != nil {
		return false, err
	}
	return len(rules) > 0 && unconditional(rules[len(rules)-1].Exprs), nil
}

// unconditional tells whether a rule drops or rejects all that comes to it, as the last one of firewalld does.
func unconditional(rule []expr.Any) bool {
	for _, part := range rule {
		switch e := part.(type) {
		case *expr.Counter, *expr.Log:
		case *expr.Reject:
			return true
		case *expr.Verdict:
			return e.Kind == expr.VerdictDrop
		default:
			return false
		}
	}
	return false
}
