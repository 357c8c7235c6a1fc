package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/machine"
)

// row is a machine as `list -o json` has it. It is an interface: fields are added, never changed.
type row struct {
	Name        string     `json:"name"`
	UID         string     `json:"uid,omitempty"`
	MAC         string     `json:"mac"`
	IPv4        string     `json:"ipv4"`
	On          bool       `json:"on"`
	PID         int        `json:"pid,omitempty"`
	Condition   string     `json:"condition,omitempty"`
	Message     string     `json:"message,omitempty"`
	Since       *time.Time `json:"since,omitempty"`
	Job         string     `json:"job,omitempty"`
	OSVersion   string     `json:"osVersion,omitempty"`
	ProfileHash string     `json:"profileHash,omitempty"`
	Addresses   []string   `json:"addresses,omitempty"`
	CPUs        int        `json:"cpus"`
	MemoryMiB   int        `json:"memoryMiB"`
	DiskGiB     int        `json:"diskGiB"`
	Accelerator string     `json:"accelerator,omitempty"`
	Why         string     `json:"why,omitempty"`
	Console     string     `json:"console"`
	BMC         string     `json:"bmc,omitempty"`
}

func rowsOf(list []simulator.Status) []row {
	rows := make([]row, 0, len(list))
	for _, s := range list {
		r := row{
			Name: s.Server.Name, UID: s.Server.UID, MAC: s.Server.MAC, IPv4: s.Server.IPv4, On: s.Facts.On, PID: s.PID,
			Condition: string(s.Health.Condition), Message: s.Health.Message, Job: s.Job,
			OSVersion: s.Facts.OSVersion, ProfileHash: s.Facts.ProfileHash, Addresses: s.Facts.Addresses,
			CPUs: s.Size.CPUs, MemoryMiB: s.Size.MemoryMiB, DiskGiB: s.Size.DiskGiB,
			Accelerator: s.Accelerator, Why: s.Why, Console: s.Console, BMC: s.BMC,
		}
		if !s.Health.Since.IsZero() {
			r.Since = &s.Health.Since
		}
		rows = append(rows, r)
	}
	return rows
}

func (a *app) listCommand() *cobra.Command {
	output := ""
	command := &cobra.Command{
		Use:   "list",
		Short: "List the machines and how they are",
		Long: `List the machines. A running simulator says how they are; without one, what was
kept of them and the host's processes do.`,
		Args: exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.list(cmd.Context(), output) },
	}
	command.Flags().StringVarP(&output, "output", "o", "", "Output: wide or json")
	return command
}

func (a *app) list(ctx context.Context, output string) error {
	if output != "" && output != "wide" && output != "json" {
		return usagef("output %q is neither wide nor json", output)
	}
	rows, err := a.rows(ctx)
	if err != nil {
		return err
	}
	if output == "json" {
		encoder := json.NewEncoder(a.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string]any{"apiVersion": "cli.stargate.io/v1alpha1", "kind": "SimulatorMachineList", "items": rows})
	}
	if len(rows) == 0 {
		a.note("No machines yet: each is made by its first repave.")
		return nil
	}
	return a.table(rows, output == "wide")
}

// rows asks the simulator, or where none runs, what is kept.
func (a *app) rows(ctx context.Context) ([]row, error) {
	body, err := a.tell(ctx, http.MethodGet, "/machines")
	if errors.Is(err, errNotRunning) {
		a.note("The simulator does not run; this is what was kept.")
		list, err := machine.Read(a.state)
		return rowsOf(list), err
	}
	if err != nil {
		return nil, err
	}
	var rows []row
	if err := json.Unmarshal(body, &rows); err != nil {
		return nil, fmt.Errorf("reading the simulator's answer: %w", err)
	}
	return rows, nil
}

func (a *app) table(rows []row, wide bool) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 3, ' ', 0)
	header := "NAME\tCONDITION\tOS\tIPV4\tPID\tJOB"
	if wide {
		header += "\tMAC\tSIZE\tACCELERATOR\tBMC\tMESSAGE"
	}
	_, _ = fmt.Fprintln(w, header) // Flush gives the error
	for _, r := range rows {
		pid := ""
		if r.PID > 0 {
			pid = strconv.Itoa(r.PID)
		}
		line := fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", r.Name, cmp.Or(r.Condition, "-"), cmp.Or(r.OSVersion, "-"), r.IPv4, cmp.Or(pid, "-"), cmp.Or(r.Job, "-"))
		if wide {
			if r.Why != "" {
				r.Message = strings.TrimPrefix(r.Message+"; not under KVM: "+r.Why, "; ")
			}
			line += fmt.Sprintf("\t%s\t%d/%dMi/%dGi\t%s\t%s\t%s", r.MAC, r.CPUs, r.MemoryMiB, r.DiskGiB, cmp.Or(r.Accelerator, "-"), cmp.Or(r.BMC, "-"), r.Message)
		}
		_, _ = fmt.Fprintln(w, clean(line))
	}
	return w.Flush()
}
