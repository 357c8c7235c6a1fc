package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/machine"
)

// leave is the key that ends an attachment to a console: control and ].
const leave = 0x1d

func (a *app) consoleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "console NAME",
		Short: "Attach to a machine's serial console; ^] leaves",
		Args:  exactly(1, "the name of a machine"),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.console(cmd.Context(), args[0]) },
	}
}

// console joins the terminal and the machine's serial port. Only one can be attached at a time.
func (a *app) console(ctx context.Context, name string) error {
	if err := simulator.ValidName(name); err != nil {
		return usagef("%s", err)
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", machine.ConsoleSocket(a.state, name))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("machine %s is off, or there is none: see simulator list", name)
	case err != nil:
		return fmt.Errorf("attaching to the console of %s: %w", name, err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() { _ = conn.Close() }) // which ends both ways
	if file, ok := a.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		before, err := term.MakeRaw(int(file.Fd()))
		if err != nil {
			return fmt.Errorf("attaching to the console of %s: %w", name, err)
		}
		defer func() { _ = term.Restore(int(file.Fd()), before) }() // nothing better is left to do
		a.note("Attached to %s. ^] leaves.\r", name)
	}
	// It may wait for a key long after the console has ended; the process's end ends it.
	go func() {
		defer stop()
		typed(a.in, conn)
	}()
	if _, err := io.Copy(a.out, conn); err != nil && ctx.Err() == nil {
		return fmt.Errorf("reading the console of %s: %w", name, err)
	}
	return nil
}

// typed passes keys on until the one that leaves.
func typed(from io.Reader, to io.Writer) {
	buffer := make([]byte, 256)
	for {
		n, err := from.Read(buffer)
		for i, key := range buffer[:n] {
			if key == leave {
				_, _ = to.Write(buffer[:i]) // who leaves does not look
				return
			}
		}
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}

func (a *app) logsCommand() *cobra.Command {
	follow := false
	command := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print what a machine wrote to its console",
		Args:  exactly(1, "the name of a machine"),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.logs(cmd.Context(), args[0], follow) },
	}
	command.Flags().BoolVarP(&follow, "follow", "f", false, "Go on with what it writes from now on")
	return command
}

// logEvery is how often a log that is followed is looked at.
const logEvery = 200 * time.Millisecond

func (a *app) logs(ctx context.Context, name string, follow bool) error {
	if err := simulator.ValidName(name); err != nil {
		return usagef("%s", err)
	}
	file, err := os.Open(machine.ConsoleLog(a.state, name))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("machine %s has written nothing yet, or there is none: see simulator list", name)
	}
	if err != nil {
		return fmt.Errorf("reading the console's log of %s: %w", name, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	tick := time.NewTicker(logEvery)
	defer tick.Stop()
	for {
		if _, err := io.Copy(a.out, file); err != nil {
			return fmt.Errorf("reading the console's log of %s: %w", name, err)
		}
		if !follow {
			return nil
		}
		if err := rewound(file); err != nil {
			return fmt.Errorf("reading the console's log of %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return nil // that is how following ends
		case <-tick.C:
		}
	}
}

// rewound goes to the beginning of a log that was trimmed.
func rewound(file *os.File) error {
	at, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil || info.Size() >= at {
		return err
	}
	_, err = file.Seek(0, io.SeekStart)
	return err
}
