//go:build bench

package bench_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// remember the arguments and files of the machines, for the bare loop.
func (h *bootHost) remember() error {
	out, err := h.command("list", "-o", "json").Output()
	if err != nil {
		return err
	}
	var list struct {
		Machines []struct {
			Name string `json:"name"`
			PID  int    `json:"pid"`
		} `json:"items"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return err
	}
	for _, each := range list.Machines {
		name := each.Name
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", each.PID))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(h.dir, name+".args"), line, 0o600); err != nil {
			return err
		}
		seeds, err := filepath.Glob(h.path(name, "seed-*.iso"))
		if err != nil || len(seeds) == 0 {
			return errors.Join(errors.New("there is no seed"), err)
		}
		seed, err := os.ReadFile(seeds[0])
		if err == nil {
			err = os.WriteFile(filepath.Join(h.dir, name+".iso"), seed, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var (
	handedSet    = regexp.MustCompile(`^fd=\d+,set=(\d+),opaque=(.*)$`)
	handedTap    = regexp.MustCompile(`^tap,id=net0,fd=\d+$`)
	handedSocket = regexp.MustCompile(`^(socket,id=(\w+)),fd=\d+`)
)

// named gives arguments with names in place of the descriptors that only the simulator has: the files', a tap that QEMU makes
// itself, and sockets whose names begin alike.
func named(args []string, tap, sockets string) []string {
	var paths, left []string
	for i := 0; i < len(args); i++ {
		if args[i] != "-add-fd" {
			left = append(left, args[i])
			continue
		}
		i++
		if set := handedSet.FindStringSubmatch(args[i]); set != nil {
			// What follows a set's number, so that 1 is not the beginning of 10.
			for _, end := range []string{`"`, ","} {
				paths = append(paths, "/dev/fdset/"+set[1]+end, set[2]+end)
			}
		}
	}
	files := strings.NewReplacer(paths...)
	for i, arg := range left {
		arg = handedTap.ReplaceAllString(arg, "tap,id=net0,ifname="+tap+",script=no,downscript=no")
		left[i] = files.Replace(handedSocket.ReplaceAllString(arg, "$1,path="+sockets+"-$2"))
	}
	return left
}

// bare makes the disks and starts QEMU with the same arguments, in a loop.
func (h *bootHost) bare() (spoken, error) {
	began := time.Now()
	var machines []*exec.Cmd
	defer func() {
		for _, each := range machines {
			_ = each.Process.Kill()
			_ = each.Wait()
		}
		_ = os.RemoveAll(filepath.Join(h.dir, "bare"))
	}()
	for i := range booted {
		machine, err := h.bareMachine(machineName(i))
		if err != nil {
			return spoken{}, err
		}
		machines = append(machines, machine)
	}
	return hear(began, func(machine string) string { return filepath.Join(h.dir, "bare", "machines", machine, "console.log") })
}

func (h *bootHost) bareMachine(name string) (*exec.Cmd, error) {
	text, err := os.ReadFile(filepath.Join(h.dir, name+".args"))
	if err != nil {
		return nil, err
	}
	bare := filepath.Join(h.dir, "bare")
	of := strings.NewReplacer(filepath.Join(h.state(), "machines"), filepath.Join(bare, "machines"), filepath.Join(h.state(), "run"), filepath.Join(bare, "run"))
	args := named(strings.Split(of.Replace(strings.TrimRight(string(text), "\x00")), "\x00"), "sgb-"+name, filepath.Join(bare, "run", name))
	folder := filepath.Join(bare, "machines", name)
	for _, each := range []string{folder, filepath.Join(bare, "run")} {
		if err := os.MkdirAll(each, 0o700); err != nil {
			return nil, err
		}
	}
	bases, err := filepath.Glob(filepath.Join(h.state(), "images", "*"))
	if err != nil {
		return nil, err
	}
	base := ""
	for _, each := range bases {
		if found, err := os.Stat(each); err == nil && found.Mode().IsRegular() && found.Size() > 1<<20 {
			base = each
		}
	}
	made := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, filepath.Join(folder, "disk-1.qcow2"), "4G")
	if out, err := made.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making a disk: %w: %s", err, out)
	}
	seed, err := os.ReadFile(filepath.Join(h.dir, name+".iso"))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "seed-1.iso"), seed, 0o600)
	}
	if err != nil {
		return nil, err
	}
	machine := exec.Command(args[0], args[1:]...)
	machine.Stderr = os.Stderr
	return machine, machine.Start()
}
