package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stargate.io/stargate/simulator/host"
	"stargate.io/stargate/simulator/network"
	"stargate.io/stargate/simulator/qemu"
	"stargate.io/stargate/simulator/statefile"
)

func (a *app) downCommand() *cobra.Command {
	dry := false
	command := &cobra.Command{
		Use:   "down",
		Short: "End all machines, and undo what was done to the host",
		Long: `End all machines, and undo exactly what was done to the host: bridge, taps, firewall
rules, forwarding. Disks and images stay; the machines are started again by the
next simulator.`,
		Args: exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.down(cmd.Context(), dry) },
	}
	command.Flags().BoolVar(&dry, "dry-run", false, "Only list what would be done")
	return command
}

// endPatience is how long QEMU may take to close its disks.
const endPatience = 10 * time.Second

func (a *app) down(ctx context.Context, dry bool) error {
	if _, err := os.Stat(a.state); errors.Is(err, fs.ErrNotExist) {
		a.note("There is no %s: nothing was done to this host.", a.state)
		return nil
	}
	if !dry {
		lock, err := statefile.Take(a.state)
		if err != nil {
			return err
		}
		defer func() { _ = lock.Release() }() // it ends with the process
	}
	machines, err := qemu.Running(a.state)
	if err != nil {
		return err
	}
	for _, m := range machines {
		if err := a.say("end machine %s (process %d)", clean(m.Name), m.PID); err != nil {
			return err
		}
		if dry {
			continue
		}
		if err := m.End(ctx, endPatience); err != nil {
			return err
		}
	}
	file := filepath.Join(a.state, networkName)
	if !dry {
		return network.Down(file, func(step network.Step) { _ = a.say("%s", step) }) // it is done all the same
	}
	steps, err := network.PlanDown(file)
	for _, step := range steps {
		if err := a.say("%s", step); err != nil {
			return err
		}
	}
	return err
}

func (a *app) doctorCommand() *cobra.Command {
	output, o := "", &runOptions{}
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Check whether this host can run machines, and say what to mend",
		Args:  exactly(0, "no argument"),
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), o, output) },
	}
	command.Flags().StringVarP(&output, "output", "o", "", "Output: json")
	command.Flags().StringVar(&o.bridge, "bridge", network.DefaultBridge, "Name of the machines' bridge")
	o.bindUsers(command.Flags())
	command.Flags().StringVar(&o.subnet, "subnet", network.DefaultSubnet.String(), "Subnet of the machines")
	return command
}

func (a *app) doctor(ctx context.Context, o *runOptions, output string) error {
	if output != "" && output != "json" {
		return usagef("output %q is not json", output)
	}
	if _, err := netip.ParsePrefix(o.subnet); err != nil {
		return usagef("subnet %q is not of the form 192.168.100.0/24", o.subnet)
	}
	if err := o.readUsers(); err != nil {
		return err
	}
	checks := host.Doctor(host.Gather(ctx, a.place(o)))
	if err := a.checks(checks, output); err != nil {
		return err
	}
	if host.Worst(checks) == host.Fail {
		return errSaid
	}
	return nil
}

func (a *app) checks(checks []host.Check, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(a.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string]any{"apiVersion": "cli.stargate.io/v1alpha1", "kind": "SimulatorDoctor", "checks": checks})
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, check := range checks {
		_, _ = fmt.Fprintln(w, clean(fmt.Sprintf("%s\t%s\t%s", check.Verdict, check.Name, check.Seen))) // Flush gives the error
		if check.Mend != "" {
			_, _ = fmt.Fprintln(w, clean(fmt.Sprintf("\t\t  %s", check.Mend)))
		}
	}
	return w.Flush()
}
