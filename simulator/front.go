package simulator

// Front is what a management controller sees of its machine besides its Status: a server's front panel.
type Front struct {
	// UUID and Serial that the firmware tells the guest.
	UUID, Serial string
	Boot         Boot
	// Medium in the drive; nil for none.
	Medium *Medium
	// Stage that the running guest has come to: StageBoot, StageCloudInit or StageDone; empty while it is off, or where
	// its image does not tell.
	Stage Stage
}

// Reset is what a power button does; the values are those of Redfish.
type Reset string

// The resets that a machine has.
const (
	ResetOn               Reset = "On"               // does nothing to one that is on
	ResetForceOff         Reset = "ForceOff"         // the plug is pulled; does nothing to one that is off
	ResetGracefulShutdown Reset = "GracefulShutdown" // the guest is asked; what it does about it is not waited for
	ResetGracefulRestart  Reset = "GracefulRestart"  // the guest is asked, then made to
	ResetForceRestart     Reset = "ForceRestart"     // the reset button
	ResetPowerCycle       Reset = "PowerCycle"       // off, then on
)

// BootSource is a device that a machine can start from; the values are those of Redfish.
type BootSource string

// The devices of a simulated machine.
const (
	BootNone BootSource = "None"
	BootPxe  BootSource = "Pxe"
	BootCd   BootSource = "Cd"
	BootHdd  BootSource = "Hdd"
)

// BootOverride tells for how long a boot source holds; the values are those of Redfish.
type BootOverride string

// The overrides.
const (
	BootDisabled   BootOverride = "Disabled"
	BootOnce       BootOverride = "Once" // at the next start, which sets it back to BootDisabled
	BootContinuous BootOverride = "Continuous"
)

// BootMode is a kind of firmware; the values are those of Redfish.
type BootMode string

// The kinds of firmware.
const (
	BootLegacy BootMode = "Legacy"
	BootUEFI   BootMode = "UEFI"
)

// Boot is where a machine starts from, in place of its disk.
type Boot struct {
	Source   BootSource   `json:"source"`
	Override BootOverride `json:"override"`
	// Mode of the machine's firmware. One that has no other refuses a change of it, as ReasonBadRequest.
	Mode BootMode `json:"mode"`
}

// Medium is what is in a machine's drive. It is always read only.
type Medium struct {
	// URL that it was taken from, without credentials.
	URL string `json:"url"`
	// Path of the file, which the management controller made and removes after it was taken out.
	Path string `json:"path"`
}
