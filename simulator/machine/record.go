package machine

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/health"
	"stargate.io/stargate/simulator/qemu"
	"stargate.io/stargate/simulator/statefile"
)

// format of machine.json.
var format = statefile.Format{Kind: "stargate-machine", Version: 1}

// recordName is the file that names all that a machine has.
const recordName = "machine.json"

// record is what is kept of a machine.
type record struct {
	Server simulator.Server `json:"server"`
	Size   simulator.Size   `json:"size"`
	UUID   string           `json:"uuid"`
	// Generation counts the repaves that got as far as a disk of their own.
	Generation int  `json:"generation"`
	Disk       disk `json:"disk"`
	// Old is the disk of the generation before, which goes when the job that replaced it ends.
	Old string `json:"old,omitempty"`
	// Wanted: it is to be on.
	Wanted bool `json:"wanted"`
	// Process that was started last, and when.
	Process *qemu.Identity `json:"process,omitempty"`
	Started time.Time      `json:"started"`
	// Accelerator of that process.
	Accelerator string `json:"accelerator,omitempty"`
	// NoKVM is why this machine does without KVM although the host has it.
	NoKVM string `json:"noKVM,omitempty"`
	// OSVersion and ProfileHash of the repave that succeeded last, if nothing was begun since.
	OSVersion   string `json:"osVersion,omitempty"`
	ProfileHash string `json:"profileHash,omitempty"`
	// Job that is on it, and the one that ended last.
	Job  *work  `json:"job,omitempty"`
	Last *ended `json:"last,omitempty"`
	// Deleting: what is left of it is removed by whoever finds it.
	Deleting bool `json:"deleting,omitempty"`

	// Heard: its guest has reported since its repave.
	Heard       bool          `json:"heard,omitempty"`
	Quarantined string        `json:"quarantined,omitempty"`
	Restarts    []time.Time   `json:"restarts,omitempty"`
	Boots       []health.Boot `json:"boots,omitempty"`
	// Resets that the guest made itself since its cloud-init last came to an end.
	Resets []time.Time `json:"resets,omitempty"`
	// Faults that were done to it on demand, newest last.
	Faults []Fault `json:"faults,omitempty"`

	Boot simulator.Boot `json:"boot"`
	// BootUsed: it was started from a source that is for one start, and has yet to be told to start from its disk again.
	BootUsed bool              `json:"bootUsed,omitempty"`
	Medium   *simulator.Medium `json:"medium,omitempty"`

	// Took is how long the stages took when they last went well, for percent.
	Took map[simulator.Stage]time.Duration `json:"took,omitempty"`
}

// afresh forgets what a machine's health was judged by: somebody starts it on purpose.
func (r *record) afresh() {
	r.Quarantined, r.Restarts, r.Resets, r.Boots = "", nil, nil, nil
}

// disk of a machine, and the base image that it lies over.
type disk struct {
	File string `json:"file,omitempty"`
	Base string `json:"base,omitempty"`
	// Seed that was made with it.
	Seed string `json:"seed,omitempty"`
}

// work is a job as it is kept. What the job asks for is not: whoever does it again brings it along.
type work struct {
	ID      string           `json:"id"`
	Action  simulator.Action `json:"action"`
	Started time.Time        `json:"started"`
	// Step that is being done, or is done.
	Step step `json:"step"`
	// Touched: from here on the machine is not as it was.
	Touched bool `json:"touched,omitempty"`
	// Generation of the disk that a repave makes, over Base.
	Generation int    `json:"generation,omitempty"`
	Base       string `json:"base,omitempty"`
	// Before is the boot of the guest that a reboot is to end.
	Before string `json:"before,omitempty"`
	// New: there was no such machine before.
	New bool `json:"new,omitempty"`
	// Starts that were needed.
	Starts int `json:"starts,omitempty"`
}

// ended is a job that ended. The same job again gets the same answer.
type ended struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	Untouched bool      `json:"untouched,omitempty"`
	Unchanged bool      `json:"unchanged,omitempty"`
	// Failure is the message of one that failed.
	Failure   string `json:"failure,omitempty"`
	Cancelled bool   `json:"cancelled,omitempty"`
}

// Fault that was done to a machine on demand.
type Fault struct {
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
}

// maxFaults are kept.
const maxFaults = 20

// newUUID gives the UUID of a new machine: random, of version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// paths of a machine, all under the state folder.
type paths struct{ dir, name string }

func machinesDir(dir string) string { return filepath.Join(dir, "machines") }
func runDir(dir string) string      { return filepath.Join(dir, "run") }

func (p paths) folder() string          { return filepath.Join(machinesDir(p.dir), p.name) }
func (p paths) record() string          { return filepath.Join(p.folder(), recordName) }
func (p paths) file(name string) string { return filepath.Join(p.folder(), name) }
func (p paths) console() string         { return p.file("console.log") }

// socket paths are short whatever the machine's name is.
func (p paths) socket(kind string) string {
	sum := sha256.Sum256([]byte(p.name))
	return filepath.Join(runDir(p.dir), hex.EncodeToString(sum[:])[:socketName]+"."+kind)
}

func (p paths) sockets() []string {
	return []string{p.socket("qmp"), p.socket("tty"), p.socket("rpt")}
}

func (p paths) files() qemu.Files {
	return qemu.Files{
		QMP: p.socket("qmp"), Console: p.socket("tty"), Guest: p.socket("rpt"),
		ConsoleLog: p.console(), Log: p.file("qemu.log"),
	}
}

func diskName(generation int) string { return fmt.Sprintf("disk-%d.qcow2", generation) }
func seedName(generation int) string { return fmt.Sprintf("seed-%d.iso", generation) }

// named are the files of a machine's folder that its record accounts for. All others are what somebody died over.
func (r *record) named() map[string]bool {
	named := map[string]bool{recordName: true, "console.log": true, "console.log.1": true, "qemu.log": true}
	for _, name := range []string{r.Disk.File, r.Disk.Seed, r.Old} {
		named[name] = true
	}
	if r.Job != nil && r.Job.Generation > 0 {
		named[diskName(r.Job.Generation)], named[seedName(r.Job.Generation)] = true, true
	}
	return named
}

// ConsoleSocket is where a machine's serial console is attached to, by one at a time.
func ConsoleSocket(dir, name string) string { return paths{dir: dir, name: name}.socket("tty") }

// ConsoleLog is the file with all that a machine wrote to its console.
func ConsoleLog(dir, name string) string { return paths{dir: dir, name: name}.console() }
