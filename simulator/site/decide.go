package site

import (
	"errors"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/drivers/dcapi/wire/serve"
	"stargate.io/stargate/simulator"
)

const (
	// maxLive bounds the jobs that have not ended, whose documents are kept in memory.
	maxLive = 256
	// maxIDs bounds the request ids that are on record, of jobs or voided.
	maxIDs = 250_000
	// comeBack is when a client is to ask again for a machine that has a job.
	comeBack = 5 * time.Second
)

// intent is a request for a job, read and named.
type intent struct {
	key, hash string
	operation wire.OperationRequest
}

// readIntent refuses a request that no site could carry out, and gives it in the form in which it is kept.
func readIntent(key string, operation wire.OperationRequest) (intent, *serve.Refusal) {
	in := intent{key: key, hash: serve.BodyHash(operation), operation: operation}
	refused := serve.CheckKey(key)
	if refused == nil {
		refused = serve.CheckForm(operation)
	}
	if refused == nil {
		in.operation.Server, refused = readIdentity(operation.Server)
	}
	if refused == nil {
		refused = checkImage(operation.Image)
	}
	return in, refused
}

// decideStart says what becomes of a request for a job: the job that it made before, a refusal, or neither, and then
// the job is to be made. machines are those that there are.
func (b *book) decideStart(in intent, machines []simulator.Status) (*entry, *serve.Refusal) {
	if made, refused := b.recall(in); made != nil || refused != nil {
		return made, refused
	}
	if refused := b.checkRoom(); refused != nil {
		return nil, refused
	}
	return nil, b.checkServer(in.operation.Server, machines)
}

// recall gives what a request id has led to already, whatever has changed since; neither where it is new.
func (b *book) recall(in intent) (*entry, *serve.Refusal) {
	if _, known := b.voided[in.key]; known {
		return nil, serve.Voided(in.key)
	}
	j, known := b.byRequest[in.key]
	if known && j.bodyHash != in.hash {
		return nil, serve.KeyReused(in.key)
	}
	return j, nil
}

func (b *book) checkRoom() *serve.Refusal {
	switch {
	case len(b.jobs)+len(b.voided) >= maxIDs:
		return serve.Unavailable(errors.New("the journal holds as many request ids as it may: stop the simulator and move its jobs folder away, " +
			"once no Operation of this site is live"))
	case len(b.live) >= maxLive:
		refused := serve.Refused(http.StatusTooManyRequests, wire.CodeTooManyRequests, "%d jobs have not ended, and no more may: come back when one has", len(b.live))
		refused.RetryAfter = comeBack
		return refused
	}
	return nil
}

// checkServer refuses a machine that is not the one that was meant, or that has a live job. What is empty on either side
// is not compared.
func (b *book) checkServer(said wire.Server, machines []simulator.Status) *serve.Refusal {
	for _, machine := range machines {
		if refused := checkMachine(said, machine); refused != nil {
			return refused
		}
	}
	// Machines that are only just being made are in no list.
	for _, j := range b.live {
		if refused := checkMachine(said, simulator.Status{Server: j.job.Server, Job: j.id}); refused != nil {
			return refused
		}
	}
	return nil
}

func checkMachine(said wire.Server, machine simulator.Status) *serve.Refusal {
	known := machine.Server
	if known.Name != said.ServerID {
		switch {
		case said.MAC != "" && said.MAC == known.MAC:
			return serve.Mismatched("MAC %s is of server %q, not of %q", said.MAC, known.Name, said.ServerID)
		case said.IPv4 != "" && said.IPv4 == known.IPv4:
			return serve.Mismatched("address %s is of server %q, not of %q", said.IPv4, known.Name, said.ServerID)
		}
		return nil
	}
	refused := serve.Mismatch(wire.Server{
		ServerID: known.Name, UID: known.UID, MAC: known.MAC, BootMAC: known.MAC, BMC: addressOf(machine.BMC),
	}, wire.Server{
		ServerID: said.ServerID, UID: said.UID, MAC: said.MAC, BootMAC: said.BootMAC, BMC: addressOf(said.BMC),
	})
	if refused == nil && machine.Job != "" {
		refused = serve.Busy(known.Name, comeBack)
	}
	return refused
}

// addressOf gives the host and port of a management controller's address, which people write as a URL too.
func addressOf(address string) string {
	if _, rest, found := strings.Cut(address, "://"); found {
		address = rest
	}
	address, _, _ = strings.Cut(address, "/")
	return strings.ToLower(address)
}

// readIdentity refuses a server whose name or addresses cannot be, and gives them in the form in which they compare.
func readIdentity(said wire.Server) (wire.Server, *serve.Refusal) {
	if err := simulator.ValidName(said.ServerID); err != nil {
		return said, serve.BadRequest("%v", err)
	}
	for _, mac := range []*string{&said.MAC, &said.BootMAC} {
		if *mac == "" {
			continue
		}
		var refused *serve.Refusal
		if *mac, refused = readMAC(*mac); refused != nil {
			return said, refused
		}
	}
	if said.IPv4 != "" {
		address, err := netip.ParseAddr(said.IPv4)
		if err != nil || !address.Is4() {
			return said, serve.BadRequest("ipv4 %.40q is not an IPv4 address: write it as 192.168.100.11", said.IPv4)
		}
	}
	if len(said.UID) > maxText || len(said.BMC) > maxText || len(said.CurrentOS) > maxText {
		return said, serve.BadRequest("uid, bmc and currentOS may each be %d bytes long", maxText)
	}
	return said, nil
}

// readMAC gives an interface's address as machines have it, lower case with colons.
func readMAC(mac string) (string, *serve.Refusal) {
	parsed, err := net.ParseMAC(mac)
	if err != nil || len(parsed) != 6 || parsed[0]&1 != 0 {
		return "", serve.BadRequest("MAC %.40q is not that of one Ethernet interface: write it as aa:bb:cc:dd:ee:01", mac)
	}
	return parsed.String(), nil
}

// maxText bounds a text that is kept with a machine.
const maxText = 256

func checkImage(image *wire.Image) *serve.Refusal {
	if image == nil {
		return nil
	}
	for name, text := range map[string]string{
		"osVersion": image.OSVersion, "checksum": image.Checksum, "format": image.Format, "profileHash": image.ProfileHash,
	} {
		if len(text) > maxText {
			return serve.BadRequest("image.%s is %d bytes long, and may be %d", name, len(text), maxText)
		}
	}
	if len(image.URL) > 16*maxText {
		return serve.BadRequest("image.url is %d bytes long, and may be %d", len(image.URL), 16*maxText)
	}
	return nil
}

// jobOf gives an operation as a job.
func jobOf(id string, operation wire.OperationRequest) simulator.Job {
	server := operation.Server
	job := simulator.Job{
		ID: id, Action: simulator.Action(operation.Action),
		Server:       simulator.Server{Name: server.ServerID, UID: server.UID, MAC: server.MAC, IPv4: server.IPv4},
		OnlyIfNeeded: operation.OnlyIfNeeded,
		Timeout:      serve.Timeout(operation),
	}
	if image := operation.Image; image != nil && operation.Action == wire.ActionRepave {
		job.Image = &simulator.Image{
			OSVersion: image.OSVersion, URL: image.URL, Checksum: image.Checksum, Format: image.Format,
			UserData: image.UserData, NetworkData: image.NetworkData, MetaData: image.MetaData, ProfileHash: image.ProfileHash,
		}
	}
	return job
}

// refusalOf gives Machines' refusal as the DC API has it.
func refusalOf(err error, server string) *serve.Refusal {
	var refused *simulator.Refused
	if !errors.As(err, &refused) {
		return serve.Unavailable(err)
	}
	switch refused.Reason {
	case simulator.ReasonBadRequest:
		return serve.BadRequest("%s", refused.Message)
	case simulator.ReasonIdentityMismatch:
		return serve.Mismatched("%s", refused.Message)
	case simulator.ReasonServerBusy:
		busy := serve.Busy(server, comeBack)
		busy.Message = refused.Message
		return busy
	default: // ReasonHostLimits
		return &serve.Refusal{Status: http.StatusServiceUnavailable, Code: wire.CodeUnavailable, Message: refused.Message, RetryAfter: comeBack}
	}
}

// wasCancelled tells that somebody cancelled the job, from why it or its context ended.
func wasCancelled(why error) bool { return errors.Is(why, simulator.ErrCancelled) }

// decideEnd says how a job ended by what Do gave and the cause for which its context ended, nil where it has not. False
// where the job is only left, to be done again when the simulator is back.
func decideEnd(j *entry, result simulator.Result, err, cause error) (outcome, bool) {
	end := outcome{
		Stage: string(j.progress.Stage), Percent: percent(j.progress.Percent, 99), Message: cut(messageOf(j, err)),
		Untouched: result.Untouched || result.Unchanged, Unchanged: result.Unchanged,
		Facts: factsOf(result.Facts, err == nil),
	}
	var refused *simulator.Refused
	switch {
	case errors.Is(err, simulator.ErrUnkept):
		return outcome{}, false
	case err == nil: // also of a job that had ended by the time somebody cancelled it: what happened did happen
		end.Phase, end.Percent = wire.PhaseSucceeded, 100
	case wasCancelled(cause) || wasCancelled(err):
		end.Phase = wire.PhaseCancelled
	case cause != nil:
		return outcome{}, false
	case errors.As(err, &refused):
		// One that had begun before the simulator was started again may have changed the machine.
		end.Phase, end.Untouched, end.Facts = wire.PhaseFailed, !j.began, nil
	default:
		end.Phase = wire.PhaseFailed
	}
	return end, true
}

func messageOf(j *entry, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case j.progress.Message != "":
		return j.progress.Message
	}
	return string(j.action) + " finished"
}

// factsOf gives what is known of a machine. What Do left empty as it failed tells nothing, not even that it is off.
func factsOf(facts simulator.Facts, certain bool) *wire.Facts {
	if !certain && !facts.On && facts.OSVersion == "" && facts.ProfileHash == "" && len(facts.Hardware) == 0 {
		return nil
	}
	told := &wire.Facts{Power: "off", OSVersion: facts.OSVersion, ProfileHash: facts.ProfileHash, Hardware: maps.Clone(facts.Hardware)}
	if facts.On {
		told.Power = "on"
	}
	if len(facts.Addresses) > 0 {
		if told.Hardware == nil {
			told.Hardware = map[string]string{}
		}
		told.Hardware["addresses"] = strings.Join(facts.Addresses, ",")
	}
	return told
}
