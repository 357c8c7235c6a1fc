package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"stargate.io/stargate/simulator/account"
)

// lend the command its files, until back is called, which is to be called after an error too. It then has none that
// anybody else can write.
func (o order) lend(cmd *exec.Cmd, user account.Account) (back func(context.Context) error, err error) {
	given, err := o.openGiven()
	if err != nil {
		return func(context.Context) error { return nil }, err
	}
	made, err := o.openMade()
	back = func(ctx context.Context) error {
		errs := []error{giveBack(given, user), giveBack(made, user)}
		if made != nil {
			errs = append(errs, unwritten(ctx, o.out))
		}
		return errors.Join(errs...)
	}
	if err != nil {
		return back, err
	}
	cmd.ExtraFiles = []*os.File{given, made}
	return back, errors.Join(lent(given, user, false), lent(made, user, true))
}

// openGiven opens the file for reading alone, whatever else is done with it here.
func (o order) openGiven() (*os.File, error) {
	if o.file == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	file, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", o.file.Fd()))
	if err != nil {
		return nil, fmt.Errorf("opening the image for %s: %w", tool, err)
	}
	return file, nil
}

// openMade makes the file that is to be written, in the place of what is there.
func (o order) openMade() (*os.File, error) {
	if o.out == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	if err := os.Remove(o.out); err != nil && !missing(err) {
		return nil, fmt.Errorf("removing what was begun: %w", err)
	}
	file, err := os.OpenFile(o.out, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making a file for %s: %w", tool, err)
	}
	return file, nil
}

func lent(file *os.File, user account.Account, write bool) error {
	if file == nil {
		return nil
	}
	return user.Lend(file, write)
}

func giveBack(file *os.File, user account.Account) error {
	if file == nil {
		return nil
	}
	if err := errors.Join(user.Return(file), file.Close()); err != nil {
		return fmt.Errorf("taking a file back from %s: %w", tool, err)
	}
	return nil
}

// writersEnd is how long after the tool's end somebody may still have its file open: a process that is being started here
// has all files of ours until it is another program.
const writersEnd = 2 * time.Second

// unwritten sees to it that nobody can write a file any more: a tool that was broken into may have left a process with
// it, and what it is taken for is for good. A lease for reading is only given on such a file. File systems without leases
// do not tell.
func unwritten(ctx context.Context, path string) error {
	file, err := os.Open(path) //nolint:gosec // of the store's, or in the machine's folder
	if err != nil {
		return fmt.Errorf("taking a file back from %s: %w", tool, err)
	}
	defer func() { _ = file.Close() }() // only looked at
	ctx, cancel := context.WithTimeout(ctx, writersEnd)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
		if err == nil {
			_, err = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
			return err
		}
		if !errors.Is(err, unix.EAGAIN) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fail(Unsafe, "%s has ended, and something that it started still has its file open", tool)
		case <-tick.C:
		}
	}
}
