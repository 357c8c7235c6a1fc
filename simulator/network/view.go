package network

import (
	"fmt"

	"github.com/google/nftables"
)

// View is what can be told of the host's network without touching it.
type View struct {
	// Unknown says why nothing else could be told; "" when it could.
	Unknown string
	// Problem says what is in the network's way, and how to mend it; "" for nothing.
	Problem string
	// Forwarding: the host forwards IPv4 already.
	Forwarding bool
	// Drops are the chains of others, as "ip filter FORWARD", that drop what they do not know of what is forwarded: what
	// our rules let pass, they may still drop.
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
	chains, err := (&nftables.Conn{}).ListChains()
	if err != nil {
		return View{}, fmt.Errorf("listing nftables chains: %w", err)
	}
	view := View{Forwarding: now.settings[ipForward] == "1", Drops: dropping(chains, config.Table)}
	if _, err := intend(config, before, now, ""); err != nil {
		view.Problem = err.Error()
	}
	if value, err := readSetting("net/bridge/bridge-nf-call-iptables"); err == nil { // absent without br_netfilter
		view.Bridged = value == "1"
	}
	return view, nil
}

// dropping gives the chains that drop what is forwarded unless they know it.
func dropping(chains []*nftables.Chain, own string) []string {
	families := map[nftables.TableFamily]string{nftables.TableFamilyINet: "inet", nftables.TableFamilyIPv4: "ip"}
	var found []string
	for _, chain := range chains {
		family, ipv4 := families[chain.Table.Family]
		if !ipv4 || family == "inet" && chain.Table.Name == own || chain.Hooknum == nil || *chain.Hooknum != *nftables.ChainHookForward {
			continue
		}
		if chain.Policy != nil && *chain.Policy == nftables.ChainPolicyDrop {
			found = append(found, fmt.Sprintf("%s %s %s", family, chain.Table.Name, chain.Name))
		}
	}
	return found
}
