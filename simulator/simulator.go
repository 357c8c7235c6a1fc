// Package simulator is a datacenter made of virtual machines on one Linux host: what its parts say to each other.
//
// In: jobs on machines, each named by an id that makes at most one job. Out: machines that are QEMU processes of their
// own, which outlive the simulator, and what became of each job. A face (package site, package bmc) turns requests into
// jobs; package machine does them; packages image, seed, network and qemu are what it does them with.
//
//	site (DC API) ──┐                        ┌─ image    download, verify, convert, keep by digest
//	                ├─▶ Machines ─▶ machine ─┼─ seed     NoCloud ISO, and the guest's reporter
//	bmc (Redfish) ──┘       │                ├─ network  bridge, taps, addresses, one nftables table
//	                        ▼                └─ qemu     argv, process identity, QMP, guest channel
//	                  health decides what is wrong with a machine, and what to do about it
//
// It must never import drivers: the real drivers are what talks to it.
package simulator

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Action is what a job does to a machine; the values are those of the DC API.
type Action string

// The actions of a simulated datacenter, which are all of the DC API's.
const (
	Repave   Action = "repave"
	Reboot   Action = "reboot"
	PowerOn  Action = "powerOn"
	PowerOff Action = "powerOff"
	Inspect  Action = "inspect"
)

// Server is what a machine is known by.
type Server struct {
	// Name of the Server object; see ValidName.
	Name string `json:"name"`
	// UID of the Server object; empty is not checked.
	UID string `json:"uid,omitempty"`
	// MAC of the machine's only interface, lower case with colons.
	MAC string `json:"mac"`
	// IPv4 of the machine, dotted, in the bridge's subnet.
	IPv4 string `json:"ipv4"`
}

// Image is what a repave puts on a machine.
type Image struct {
	OSVersion string `json:"osVersion"`
	// URL is http, https or file; empty takes the simulator's default image.
	URL string `json:"url,omitempty"`
	// Checksum as "sha256:<hex>" or "sha512:<hex>" of the file as it is downloaded; empty is not checked.
	Checksum string `json:"checksum,omitempty"`
	// Format is "qcow2" or "raw"; empty is told from the file, in which a format is never followed further.
	Format string `json:"format,omitempty"`
	// UserData, NetworkData and MetaData are cloud-init documents; empty NetworkData gives the Server's address.
	UserData    []byte `json:"userData,omitempty"`
	NetworkData []byte `json:"networkData,omitempty"`
	MetaData    []byte `json:"metaData,omitempty"`
	// ProfileHash names this content; it is kept with the machine.
	ProfileHash string `json:"profileHash,omitempty"`
}

// Size of a machine. Zero values take the simulator's defaults.
type Size struct {
	CPUs      int `json:"cpus,omitempty"`
	MemoryMiB int `json:"memoryMiB,omitempty"`
	DiskGiB   int `json:"diskGiB,omitempty"`
}

// Job is one piece of work on one machine.
type Job struct {
	// ID that the face gave it. A job that is done again under the same ID goes on where it was: nothing is
	// wiped twice for it.
	ID     string `json:"id"`
	Action Action `json:"action"`
	Server Server `json:"server"`
	// Image of a repave; nil for the other actions.
	Image *Image `json:"image,omitempty"`
	// OnlyIfNeeded: a machine that already has the image's ProfileHash is left as it is.
	OnlyIfNeeded bool `json:"onlyIfNeeded,omitempty"`
	// Timeout of the whole job; zero is the simulator's own.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Stage of a job, in the order in which a repave goes through them.
type Stage string

// The stages. Percent is told in StageImage from bytes, and in the others from what came before them.
const (
	StageImage     Stage = "image"      // download, verify, convert
	StageDisk      Stage = "disk"       // old machine ended, new overlay made: from here on the machine is touched
	StageSeed      Stage = "seed"       // the cloud-init ISO
	StageBoot      Stage = "boot"       // the process runs; firmware and kernel
	StageCloudInit Stage = "cloud-init" // the guest has reported, and has not finished
	StageDone      Stage = "done"       // the guest said so itself
)

// Progress of a job.
type Progress struct {
	Stage   Stage
	Percent int // of the whole job, 0 to 100
	Message string
}

// Result of a job that succeeded, or of one that failed.
type Result struct {
	// Untouched: the machine is as it was before the job.
	Untouched bool
	// Unchanged: it had already what was asked for (OnlyIfNeeded).
	Unchanged bool
	Facts     Facts
}

// Facts that are known of a machine.
type Facts struct {
	// On tells whether its process runs.
	On bool
	// OSVersion and ProfileHash that it got last; the version is what the guest itself said, once it has.
	OSVersion, ProfileHash string
	// Addresses that the guest says it has.
	Addresses []string
	// Hardware for people: cpus, memoryMiB, diskGiB, accelerator.
	Hardware map[string]string
}

// Condition of a machine, as its health is judged.
type Condition string

// The conditions, of which the first three need nothing done.
const (
	Healthy     Condition = "Healthy"
	Off         Condition = "Off"         // it was told to be
	Busy        Condition = "Busy"        // a job is on it
	Dead        Condition = "Dead"        // its process is gone
	Hung        Condition = "Hung"        // it runs, and says nothing within its limit
	Unreachable Condition = "Unreachable" // it speaks through its channel, and not through its network
	Paused      Condition = "Paused"      // QEMU stopped it on an I/O error: the host's disk is full
	BootLoop    Condition = "BootLoop"    // it starts again and again without coming up
	Quarantined Condition = "Quarantined" // given up on until somebody asks for a repave
)

// Health of a machine.
type Health struct {
	Condition Condition
	// Message says what is wrong, what is done about it, and when.
	Message string
	Since   time.Time
}

// Status of a machine.
type Status struct {
	Server Server
	Size   Size
	Facts  Facts
	Health Health
	// Job that is on it; empty for none.
	Job string
	// PID of its process; zero while it is off.
	PID int
	// Starting: it was given room on the host, and has no process yet.
	Starting bool
	// Accelerator is "kvm" or "tcg", and Why says why it is not kvm.
	Accelerator, Why string
	// Console is the path of its console's log.
	Console string
	// BMC is the address of its Redfish service, host:port; empty for none.
	BMC string
}

// Machines does jobs. One Machines owns a state folder at a time. Its methods are safe for concurrent use.
type Machines interface {
	// Do a job to its end, and say how far it is; report may be nil. It is called again with the same job after
	// the simulator was killed in it, and goes on then. When ctx ends with ErrCancelled as its cause the job is
	// given up, and the machine left off if it was touched; when it ends otherwise the job is left as it is, to be
	// done again.
	// Errors: *Refused when nothing was done and nothing will be; ErrUnkept; others when the job failed.
	Do(ctx context.Context, job Job, report func(Progress)) (Result, error)
	// Get a machine. False for one that was never made.
	Get(name string) (Status, bool)
	// List the machines, by name.
	List() []Status
	// Delete a machine, its process, disks, tap and files. Deleting none is done.
	Delete(ctx context.Context, name string) error
}

// Checker is implemented by Machines that can tell, before a job is accepted, that they would refuse it: names,
// addresses, identity, documents and the host's limits, but nothing that takes a download. It must be quick.
type Checker interface {
	// Check gives nil, or the *Refused that Do would give now.
	Check(job Job) error
}

// ErrCancelled is the cause of a context whose job somebody cancelled.
var ErrCancelled = fmt.Errorf("the job was cancelled")

// ErrUnkept says that a job came to its end, and that its machine's record does not say so: the disk may be full. It is to
// be done again, which goes on at its last step.
var ErrUnkept = errors.New("how the job ended is not on record")

// Reason why a job is refused.
type Reason string

// The reasons.
const (
	ReasonBadRequest       Reason = "bad_request"       // a name, address, image or document that cannot be
	ReasonIdentityMismatch Reason = "identity_mismatch" // the machine has another UID or MAC
	ReasonServerBusy       Reason = "server_busy"       // another job is on it
	ReasonHostLimits       Reason = "unavailable"       // the host lacks memory, disk or cores
)

// Refused is the error of a job that was not begun.
type Refused struct {
	Reason Reason
	// Message says what, where and how to mend it. It never holds cloud-init data.
	Message string
}

func (r *Refused) Error() string { return r.Message }

// Refuse gives an error that refuses a job.
func Refuse(reason Reason, format string, args ...any) error {
	return &Refused{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// MaxName is how long a machine's name may be: it is a folder's name, and a host name's first label.
const MaxName = 63

// ValidName refuses a name that is not an RFC 1123 subdomain of at most MaxName characters: names become folders and
// arguments.
func ValidName(name string) error {
	if len(name) > MaxName || !validName.MatchString(name) {
		return Refuse(ReasonBadRequest, "server name %.80q: it is to be lower-case letters, digits, dots and dashes, begin and end with a letter or digit, "+
			"and be at most %d long", name, MaxName)
	}
	return nil
}
