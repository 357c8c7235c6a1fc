package hooks

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"stargate.io/stargate/policies/hooks/binary"
	"stargate.io/stargate/policies/hooks/worker"
)

// Every program that can run scripts is its own worker where none is built in: started under the worker's name, it
// is one, and never comes to do what else it does. That is decided here, and not in each main and each TestMain, since
// one that forgot it would start itself, and that again itself.
func init() {
	if len(os.Args) > 0 && os.Args[0] == worker.Arg0 {
		os.Exit(worker.Main())
	}
}

// self is this very program, whatever has become of its file.
const self = "/proc/self/exe"

// executable gives the path of the program that is started as a worker. One that is built in is kept in memory under a
// descriptor, for as long as this process lives.
var executable = sync.OnceValue(func() string {
	if len(binary.Worker) == 0 {
		return self
	}
	path, err := inMemory(binary.Worker)
	if err != nil {
		return self // a kernel that starts nothing from memory
	}
	return path
})

// above is over the descriptors that a worker gets: in the moment before it starts they take the place of ours.
const above = 16

func inMemory(program []byte) (string, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	made, err := unix.MemfdCreate(worker.Arg0, flags|unix.MFD_EXEC)
	if err != nil { // before Linux 6.3 there was no such flag, and every file in memory could be started
		made, err = unix.MemfdCreate(worker.Arg0, flags)
	}
	if err != nil {
		return "", fmt.Errorf("making a file in memory: %w", err)
	}
	defer func() { _ = unix.Close(made) }()
	for rest := program; len(rest) > 0; {
		n, err := unix.Write(made, rest)
		if err != nil {
			return "", fmt.Errorf("writing the worker: %w", err)
		}
		rest = rest[n:]
	}
	if _, err := unix.FcntlInt(uintptr(made), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL); err != nil {
		return "", fmt.Errorf("sealing the worker: %w", err)
	}
	kept, err := unix.FcntlInt(uintptr(made), unix.F_DUPFD_CLOEXEC, above)
	if err != nil {
		return "", fmt.Errorf("keeping the worker: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d", kept), nil
}
