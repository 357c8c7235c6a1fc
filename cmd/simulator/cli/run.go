package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/account"
	"stargate.io/stargate/simulator/bmc"
	"stargate.io/stargate/simulator/host"
	"stargate.io/stargate/simulator/image"
	"stargate.io/stargate/simulator/machine"
	"stargate.io/stargate/simulator/network"
	"stargate.io/stargate/simulator/seed"
	"stargate.io/stargate/simulator/site"
	"stargate.io/stargate/simulator/statefile"
)

// runOptions are the flags of a simulator that runs.
type runOptions struct {
	listen       string
	tokenFile    string
	size         simulator.Size
	sizes        []string
	accelerator  string
	runAs        string
	users        account.Range // as read
	imageFolders []string
	keyring      string
	bridge       string
	subnet       string
	bmcHost      string
	bmcPort      int
	bootPatience time.Duration
	shutdown     time.Duration
	output       string
	cluster      clusterOptions
	logFormat    string
}

func (o *runOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8090", "Where the DC API is served")
	flags.StringVar(&o.tokenFile, "token-file", "", "File with the bearer token that the DC API asks for. Default: dc-token in the state folder, made once")
	flags.IntVar(&o.size.CPUs, "cpus", 2, "CPUs of a machine")
	flags.IntVar(&o.size.MemoryMiB, "memory", 4096, "Memory of a machine, in MiB")
	flags.IntVar(&o.size.DiskGiB, "disk", 20, "Disk of a machine, in GiB")
	flags.StringArrayVar(&o.sizes, "size", nil, "Size of one machine, NAME=CPUS,MEMORY_MIB,DISK_GIB; may be repeated")
	flags.StringVar(&o.accelerator, "accelerator", "auto", "auto, kvm or tcg; auto takes KVM where it works")
	o.bindUsers(flags)
	flags.StringSliceVar(&o.imageFolders, "image-folder", nil, "Folders in which images of file URLs may be. Default: none")
	flags.StringVar(&o.keyring, "keyring", "", "File with the OpenPGP keys of image publishers. Default: signatures are not checked")
	flags.StringVar(&o.bridge, "bridge", network.DefaultBridge, "Name of the machines' bridge")
	flags.StringVar(&o.subnet, "subnet", network.DefaultSubnet.String(), "Subnet of the machines; the host has its first address")
	flags.StringVar(&o.bmcHost, "bmc-host", "127.0.0.1", "Address on which the machines' Redfish controllers listen")
	flags.IntVar(&o.bmcPort, "bmc-port", 9000, "Each listens on this port plus its machine's place in the subnet; 0 for none")
	flags.DurationVar(&o.bootPatience, "boot-patience", 10*time.Minute, "How long a repaved machine may take to be heard")
	flags.DurationVar(&o.shutdown, "shutdown-patience", time.Minute, "How long a machine may take to shut down")
	flags.StringVarP(&o.output, "output", "o", "", "Progress: json for a line of JSON each. Default: bars on a terminal, lines elsewhere")
	flags.StringVar(&o.logFormat, "log-format", "text", "How to log: text or json")
	o.cluster.bind(flags)
}

// bindUsers binds who machines run as, which doctor is asked about as well.
func (o *runOptions) bindUsers(flags *pflag.FlagSet) {
	o.users = account.Default
	flags.StringVar(&o.runAs, "run-as", account.Default.String(),
		"User ids, FIRST-LAST, that QEMU and qemu-img run as, each process as another; one id for all; or root")
}

func (o *runOptions) readUsers() error {
	users, err := account.Parse(o.runAs)
	if err != nil {
		return usagef("users: %s", err)
	}
	o.users = users
	return nil
}

// run puts the simulator together and serves until ctx ends. The machines go on.
func (a *app) run(ctx context.Context, o *runOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("the simulator makes a bridge, taps and firewall rules: run it as root, sudo simulator")
	}
	log := a.logger(o)
	park, err := a.assemble(ctx, o, log)
	if err != nil {
		return err
	}
	defer func() {
		if err := park.machines.Close(); err != nil {
			log.Error("closing the machines", "error", err)
		}
	}()
	return park.serve(ctx, log)
}

func (o *runOptions) check() error {
	switch {
	case o.accelerator != "auto" && o.accelerator != "kvm" && o.accelerator != "tcg":
		return usagef("accelerator %q is none of auto, kvm and tcg", o.accelerator)
	case o.output != "" && o.output != "json":
		return usagef("output %q is not json", o.output)
	case o.logFormat != "text" && o.logFormat != "json":
		return usagef("log format %q is neither text nor json", o.logFormat)
	}
	if _, err := netip.ParsePrefix(o.subnet); err != nil {
		return usagef("subnet %q is not of the form 192.168.100.0/24", o.subnet)
	}
	if err := o.readUsers(); err != nil {
		return err
	}
	return o.cluster.check()
}

func (a *app) logger(o *runOptions) *slog.Logger {
	if o.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.err, nil))
	}
	return slog.New(slog.NewTextHandler(a.err, nil))
}

// parts of a simulator that runs.
type parts struct {
	options  *runOptions
	state    string
	network  *network.Network
	subnet   netip.Prefix
	machines *machine.Machines
	progress *progress
}

// assemble opens the state folder and all that is in it, and makes the host ready. What cannot be is undone.
func (a *app) assemble(ctx context.Context, o *runOptions, log *slog.Logger) (*parts, error) {
	sizes, err := sizesOf(o.sizes)
	if err != nil {
		return nil, err
	}
	if err := o.users.Known("/proc"); err != nil {
		return nil, err
	}
	if err := statefile.MakeFolder(a.state); err != nil {
		return nil, err
	}
	// Everything below is one owner's.
	lock, err := statefile.Take(a.state)
	if err != nil {
		return nil, err
	}
	p, config, err := a.open(o)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	config.Lock, config.Sizes, config.Log = lock, sizes, log
	h := host.New(a.place(o), host.Accelerator(o.accelerator))
	config.Host = h
	if p.machines, err = machine.Open(ctx, config); err != nil {
		return nil, err
	}
	h.Machines = p.machines.List
	name, why := h.Accelerator()
	log.Info("machines run under "+name, "why", why)
	return p, nil
}

// open the parts below the machines.
func (a *app) open(o *runOptions) (*parts, machine.Config, error) {
	none := machine.Config{}
	p := &parts{options: o, state: a.state, subnet: netip.MustParsePrefix(o.subnet), progress: newProgress(a.out, o.output)}
	var err error
	if p.network, err = network.Open(filepath.Join(a.state, networkName), o.network()); err != nil {
		return nil, none, err
	}
	if err := p.network.Ensure(); err != nil {
		return nil, none, err
	}
	if err := seed.StageIn(filepath.Join(a.state, "seeds")); err != nil {
		return nil, none, err
	}
	store, err := image.Open(image.Config{Dir: filepath.Join(a.state, "images"), Folders: o.imageFolders, Keyring: o.keyring, RunAs: o.users})
	if err != nil {
		return nil, none, err
	}
	told, err := seedNetwork(p.network)
	if err != nil {
		return nil, none, err
	}
	return p, machine.Config{
		Dir: a.state, Images: images{store}, Seeds: seeds{told}, Network: p.network, Default: o.size, Firmware: host.Firmware(a.place(o)), RunAs: o.users,
		Limits: machine.Limits{Reporter: o.bootPatience, Powerdown: o.shutdown}, BMC: p.bmcOf,
	}, nil
}

// networkName is the file in the state folder that says what was done to the host's network.
const networkName = "network.json"

// place is this host, for package host.
func (a *app) place(o *runOptions) host.Place {
	return host.Place{Root: "/", State: a.state, RunAs: o.users, Network: o.network()}
}

func (o *runOptions) network() network.Config {
	return network.Config{Bridge: o.bridge, Subnet: netip.MustParsePrefix(o.subnet)} // check has parsed it
}

// bmcOf gives the address of a machine's management controller; empty for none.
func (p *parts) bmcOf(server simulator.Server) string {
	if p.options.bmcPort == 0 {
		return ""
	}
	address, err := bmc.AddressOf(p.options.bmcHost, p.options.bmcPort, p.subnet, server)
	if err != nil {
		return "" // its machine's network has refused such an address already
	}
	return address
}

// mendEvery is how often the host's network is looked at for what somebody changed.
const mendEvery = time.Minute

// serve the faces, the control socket and the cluster's namespace until ctx ends or one of them fails.
func (p *parts) serve(ctx context.Context, log *slog.Logger) error {
	token, err := dcToken(p.options.tokenFile, p.state)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.options.listen)
	if err != nil {
		return fmt.Errorf("listening for the DC API: %w", err)
	}
	face, err := site.Open(site.Config{Folder: filepath.Join(p.state, "jobs"), Machines: p.told(), Token: token, Log: log})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	endpoint := "http://" + listener.Addr().String()
	log.Info("the DC API is served", "endpoint", endpoint)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return face.Serve(ctx, listener) })
	group.Go(func() error {
		p.network.Guard(ctx, mendEvery, func(err error) { log.Error("mending the machines' network", "error", err) })
		return nil
	})
	group.Go(func() error { return serveControl(ctx, p.state, p.machines) })
	if p.options.bmcPort != 0 {
		rack, err := p.rack(log)
		if err != nil {
			return errors.Join(err, face.Close(), listener.Close())
		}
		group.Go(func() error { return rack.Run(ctx) })
	}
	if p.options.cluster.kubeconfig != "" {
		group.Go(func() error { return p.options.cluster.run(ctx, endpoint, token, p.machines.List, log) })
	}
	return group.Wait()
}

// rack serves a management controller for each machine.
func (p *parts) rack(log *slog.Logger) (*bmc.Rack, error) {
	password, err := bmcPassword(p.state)
	if err != nil {
		return nil, err
	}
	return &bmc.Rack{
		Config: bmc.Config{
			Panels: p.machines, User: "admin", Password: password, Log: log,
			Media: bmc.Media{Folder: filepath.Join(p.state, "media"), Folders: p.options.imageFolders},
		},
		Machines: p.machines.List,
	}, nil
}
