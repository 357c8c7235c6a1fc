package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/image"
	"stargate.io/stargate/simulator/network"
	"stargate.io/stargate/simulator/seed"
)

// images lets machines have the store's images.
type images struct{ store *image.Store }

// unusedImage is how long an image stays that no machine lies over: a rollout comes back for it.
const unusedImage = 24 * time.Hour

func (i images) Get(ctx context.Context, of simulator.Image, disk int64, progress func(part float64, said string)) (string, error) {
	base, err := i.store.Get(ctx, image.SourceOf(of), func(p image.Progress) {
		// The download is most of it; what becomes of its bytes is the rest.
		from, share := map[image.Step]float64{image.Verifying: 0.75, image.Converting: 0.8}[p.Step], 0.2
		if p.Step == image.Downloading {
			share = 0.75
		}
		said := fmt.Sprintf("%s: %d MiB", p.Step, p.Done>>20)
		if p.Total > 0 {
			from += share * float64(p.Done) / float64(p.Total)
			said = fmt.Sprintf("%s: %d of %d MiB", p.Step, p.Done>>20, p.Total>>20)
		}
		progress(from, said)
	})
	if err != nil {
		return "", err
	}
	if base.Size > disk {
		return "", fmt.Errorf("the image is a disk of %d MiB, and the machine's is of %d: give it a larger one with --disk or --size", base.Size>>20, disk>>20)
	}
	said := base.Verified.String()
	if base.Note != "" {
		said = base.Note + "; " + said
	}
	progress(1, "image: "+said)
	return base.Digest, nil
}

func (i images) Overlay(ctx context.Context, digest, path string, bytes int64) error {
	return i.store.Overlay(ctx, digest, path, bytes)
}

func (i images) Base(digest string) string { return i.store.Path(digest) }

func (i images) Collect(inUse []string) error {
	_, err := i.store.Collect(inUse, unusedImage)
	return err
}

// seeds writes seeds for machines of one network.
type seeds struct{ network seed.Network }

func (s seeds) of(instance string, server simulator.Server, of simulator.Image) seed.Seed {
	return seed.Seed{
		Server: server, InstanceID: instance, Network: s.network,
		UserData: of.UserData, NetworkData: of.NetworkData, MetaData: of.MetaData,
	}
}

func (s seeds) Check(server simulator.Server, of simulator.Image) error {
	if err := image.SourceOf(of).Check(); err != nil {
		return simulator.Refuse(simulator.ReasonBadRequest, "%s", err)
	}
	return s.of("check", server, of).Check()
}

func (s seeds) Write(path, instance string, server simulator.Server, of simulator.Image) error {
	return seed.Write(path, s.of(instance, server, of))
}

// seedNetwork is what machines are told of their network: the bridge routes, and the host's own name servers answer.
func seedNetwork(n *network.Network) (seed.Network, error) {
	address, bits := n.Gateway()
	gateway, err := netip.ParseAddr(address)
	if err != nil {
		return seed.Network{}, fmt.Errorf("reading the gateway: %w", err)
	}
	return seed.Network{PrefixLen: bits, Gateway: gateway, DNS: nameServers("/etc/resolv.conf")}, nil
}

// publicNameServers serve where the host's own are only its own.
var publicNameServers = []netip.Addr{netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("8.8.8.8")}

// nameServers gives those of a resolv.conf that others than the host can ask.
func nameServers(path string) []netip.Addr {
	text, err := os.ReadFile(path) //nolint:gosec // the host's own
	if err != nil {
		return publicNameServers
	}
	var found []netip.Addr
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if address, err := netip.ParseAddr(fields[1]); err == nil && address.Is4() && !address.IsLoopback() {
			found = append(found, address)
		}
	}
	if len(found) == 0 {
		return publicNameServers
	}
	return found[:min(len(found), 3)]
}

// sizesOf reads sizes of single machines, as NAME=CPUS,MEMORY,DISK; a part that is left out is the default.
func sizesOf(texts []string) (map[string]simulator.Size, error) {
	sizes := map[string]simulator.Size{}
	for _, text := range texts {
		name, rest, ok := strings.Cut(text, "=")
		if !ok || simulator.ValidName(name) != nil {
			return nil, usagef("size %q is not of the form NAME=CPUS,MEMORY_MIB,DISK_GIB, for example web-1=2,4096,20", text)
		}
		numbers := [3]int{}
		for i, part := range strings.SplitN(rest, ",", 3) {
			n, err := strconv.Atoi(cmp.Or(part, "0"))
			if err != nil || n < 0 {
				return nil, usagef("size %q: %q is no number", text, part)
			}
			numbers[i] = n
		}
		sizes[name] = simulator.Size{CPUs: numbers[0], MemoryMiB: numbers[1], DiskGiB: numbers[2]}
	}
	return sizes, nil
}
