package bmc

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stargate.io/stargate/simulator"
)

const manufacturer = "Stargate"

var (
	resets  = []simulator.Reset{simulator.ResetOn, simulator.ResetForceOff, simulator.ResetGracefulShutdown, simulator.ResetGracefulRestart, simulator.ResetForceRestart, simulator.ResetPowerCycle}
	sources = []simulator.BootSource{simulator.BootNone, simulator.BootPxe, simulator.BootCd, simulator.BootHdd}
	// overrides and modes that a client may set.
	overrides = []simulator.BootOverride{simulator.BootDisabled, simulator.BootOnce, simulator.BootContinuous}
	modes     = []simulator.BootMode{simulator.BootLegacy, simulator.BootUEFI}
)

// boot as a ComputerSystem has it.
type boot struct {
	Override  simulator.BootOverride   `json:"BootSourceOverrideEnabled"`
	Overrides []simulator.BootOverride `json:"BootSourceOverrideEnabled@Redfish.AllowableValues"`
	Source    simulator.BootSource     `json:"BootSourceOverrideTarget"`
	Sources   []simulator.BootSource   `json:"BootSourceOverrideTarget@Redfish.AllowableValues"`
	Mode      simulator.BootMode       `json:"BootSourceOverrideMode"`
	Modes     []simulator.BootMode     `json:"BootSourceOverrideMode@Redfish.AllowableValues"`
}

// resetAction is where a system is reset, and how.
type resetAction struct {
	Target string            `json:"target"`
	Types  []simulator.Reset `json:"ResetType@Redfish.AllowableValues"`
}

// computerSystem is the resource that a machine is.
type computerSystem struct {
	head
	SystemType       string
	Manufacturer     string
	Model            string
	SerialNumber     string `json:",omitempty"`
	UUID             string `json:",omitempty"`
	HostName         string
	PowerState       string
	Status           health
	Boot             boot
	BootProgress     struct{ LastState string }
	ProcessorSummary struct {
		Count  int
		Status health
	}
	MemorySummary struct {
		GiB    float64 `json:"TotalSystemMemoryGiB"`
		Status health
	}
	EthernetInterfaces link
	VirtualMedia       link
	Links              struct{ Chassis, ManagedBy []link }
	Actions            struct {
		Reset resetAction `json:"#ComputerSystem.Reset"`
	}
}

func system(s sight) any {
	name := s.status.Server.Name
	sys := computerSystem{
		head:       headOf(systemPath, "ComputerSystem.v1_22_1.ComputerSystem", "1", name),
		SystemType: "Virtual", Manufacturer: manufacturer, Model: "Simulated server",
		SerialNumber: s.front.Serial, UUID: s.front.UUID, HostName: name,
		PowerState: powerOf(s.status), Status: healthOf(s.status),
		Boot:               boot{s.front.Boot.Override, overrides, s.front.Boot.Source, sources, s.front.Boot.Mode, modes},
		EthernetInterfaces: link{interfacesPath}, VirtualMedia: link{mediaPath},
	}
	sys.BootProgress.LastState = progressOf(s)
	sys.ProcessorSummary.Count, sys.ProcessorSummary.Status = s.status.Size.CPUs, well
	sys.MemorySummary.GiB, sys.MemorySummary.Status = float64(s.status.Size.MemoryMiB)/1024, well
	sys.Links.Chassis, sys.Links.ManagedBy = links(chassis1Path), links(managerPath)
	sys.Actions.Reset = resetAction{resetPath, resets}
	return sys
}

func ethernetInterface(s sight) any {
	type address struct{ Address string }
	addresses := []address{}
	for _, one := range s.status.Facts.Addresses {
		if !strings.Contains(one, ":") {
			addresses = append(addresses, address{one})
		}
	}
	carrier := "LinkDown"
	if s.status.Facts.On {
		carrier = "LinkUp"
	}
	return struct {
		head
		MACAddress          string
		PermanentMACAddress string
		InterfaceEnabled    bool
		LinkStatus          string
		IPv4Addresses       []address
		Status              health
	}{
		headOf(interfacePath, "EthernetInterface.v1_12_1.EthernetInterface", "1", "Network interface"),
		s.status.Server.MAC, s.status.Server.MAC, true, carrier, addresses, well,
	}
}

func powerOf(status simulator.Status) string {
	if status.Facts.On {
		return "On"
	}
	return "Off"
}

// healthOf gives a machine's condition as Redfish has it, with what is wrong in words.
func healthOf(status simulator.Status) health {
	h := health{State: "Enabled", Health: "OK"}
	switch status.Health.Condition {
	case simulator.Off:
		h.State = "Disabled"
	case simulator.Dead, simulator.Hung, simulator.BootLoop, simulator.Quarantined:
		h.Health = "Critical"
	case simulator.Unreachable, simulator.Paused:
		h.Health = "Warning"
	case simulator.Healthy, simulator.Busy:
	}
	h.Rollup = h.Health
	if h.Health != "OK" {
		one := condition{ID: registry + "GeneralError", Message: string(status.Health.Condition) + ": " + status.Health.Message, Severity: h.Health}
		if !status.Health.Since.IsZero() {
			one.Timestamp = status.Health.Since.UTC().Format(time.RFC3339)
		}
		h.Conditions = []condition{one}
	}
	return h
}

// progressOf gives how far the guest has come since the machine was started.
func progressOf(s sight) string {
	switch {
	case !s.status.Facts.On:
		return "None"
	case s.front.Stage == simulator.StageCloudInit:
		return "OSBootStarted"
	case s.front.Stage == simulator.StageDone:
		return "OSRunning"
	default:
		return "SystemHardwareInitializationComplete"
	}
}

// patchSystem sets where the machine boots from, which is all of it that can be set.
func (c *Controller) patchSystem(w http.ResponseWriter, r *http.Request) {
	members, refused := read(w, r)
	if refused != nil {
		refused.send(w)
		return
	}
	c.change.Lock()
	defer c.change.Unlock()
	s, there := c.look(w)
	if !there {
		return
	}
	refused = unchanged(r, system(s))
	var wanted simulator.Boot
	if refused == nil {
		wanted, refused = readPatch(s.front.Boot, members)
	}
	if refused == nil && wanted != s.front.Boot {
		if err := c.config.Panels.SetBoot(r.Context(), c.name, wanted); err != nil {
			refused = faultOf(err)
		}
	}
	if refused != nil {
		refused.send(w)
		return
	}
	if s, there = c.look(w); there {
		show(w, r, http.StatusOK, system(s))
	}
}

// readPatch gives the boot settings that a patch of a system asks for. One member that cannot be refuses it whole.
func readPatch(is simulator.Boot, members map[string]json.RawMessage) (simulator.Boot, *fault) {
	if len(members) == 0 {
		return is, malformed(errEmpty)
	}
	for name := range members {
		switch {
		case name == "Boot" || strings.HasPrefix(name, "@"):
		case isProperty(name):
			return is, readOnly(name)
		default:
			return is, unknownProperty(name)
		}
	}
	if members["Boot"] == nil {
		return is, nil
	}
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(members["Boot"], &settings); err != nil {
		return is, wrongType("Boot", "object")
	}
	return readBoot(is, settings)
}

// isProperty tells whether a ComputerSystem here has a property of that name.
func isProperty(name string) bool {
	encoded, _ := json.Marshal(computerSystem{}) // made of texts and numbers
	var properties map[string]json.RawMessage
	return json.Unmarshal(encoded, &properties) == nil && properties[name] != nil
}

func readBoot(is simulator.Boot, settings map[string]json.RawMessage) (simulator.Boot, *fault) {
	wanted := is
	for name, value := range settings {
		var refused *fault
		switch name {
		case "BootSourceOverrideEnabled":
			refused = readOne("Boot/"+name, value, overrides, &wanted.Override)
		case "BootSourceOverrideTarget":
			refused = readOne("Boot/"+name, value, sources, &wanted.Source)
		case "BootSourceOverrideMode":
			refused = readOne("Boot/"+name, value, modes, &wanted.Mode)
		default:
			if !strings.HasPrefix(name, "@") {
				refused = unknownProperty("Boot/" + name)
			}
		}
		if refused != nil {
			return is, refused
		}
	}
	// Either of them alone says that there is to be no override.
	if settings["BootSourceOverrideEnabled"] != nil && wanted.Override == simulator.BootDisabled ||
		settings["BootSourceOverrideTarget"] != nil && wanted.Source == simulator.BootNone {
		wanted.Override, wanted.Source = simulator.BootDisabled, simulator.BootNone
	}
	return wanted, nil
}

// readOne reads one of several texts.
func readOne[T ~string](name string, value json.RawMessage, allowed []T, into *T) *fault {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return wrongType(name, "string")
	}
	if !slices.Contains(allowed, T(text)) {
		return notInList(name, text, texts(allowed))
	}
	*into = T(text)
	return nil
}

func texts[T ~string](values []T) []string {
	list := make([]string, 0, len(values))
	for _, value := range values {
		list = append(list, string(value))
	}
	return list
}

// resetPatience is longer than a guest may take to shut down.
const resetPatience = 15 * time.Minute

// reset presses the power button.
func (c *Controller) reset(w http.ResponseWriter, r *http.Request) {
	const action = "ComputerSystem.Reset"
	members, refused := read(w, r)
	if refused == nil {
		refused = onlyParameters(action, members, "ResetType")
	}
	var kind simulator.Reset
	if refused == nil {
		kind, refused = readReset(action, members["ResetType"])
	}
	if refused == nil {
		// A client that stops waiting leaves no machine half restarted.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), resetPatience)
		defer cancel()
		if err := c.config.Panels.Reset(ctx, c.name, kind); err != nil {
			refused = faultOf(err)
		}
	}
	if refused != nil {
		refused.send(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func readReset(action string, value json.RawMessage) (simulator.Reset, *fault) {
	if value == nil {
		return "", parameterMissing(action, "ResetType")
	}
	var kind simulator.Reset
	if err := json.Unmarshal(value, &kind); err != nil {
		return "", wrongType("ResetType", "string")
	}
	if !slices.Contains(resets, kind) {
		why := "use one of " + strings.Join(texts(resets), ", ")
		if kind == "Nmi" {
			why = "a simulated machine takes no NMI: " + why
		}
		return "", parameterValue(action, "ResetType", string(kind), why)
	}
	return kind, nil
}

// onlyParameters refuses a parameter that an action does not have.
func onlyParameters(action string, members map[string]json.RawMessage, known ...string) *fault {
	for name := range members {
		if !slices.Contains(known, name) {
			return parameterUnknown(action, strconv.QuoteToASCII(name))
		}
	}
	return nil
}
