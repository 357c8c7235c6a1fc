package site

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/simulator"
)

// TestDecideEnd: what Do gave, why its context ended, and what the job has come to.
func TestDecideEnd(t *testing.T) {
	broken, busy := errors.New("the disk is broken"), simulator.Refuse(simulator.ReasonServerBusy, "job-9 is on it")
	given := fmt.Errorf("waiting: %w", simulator.ErrCancelled)
	on := simulator.Facts{On: true, OSVersion: "24.04", Addresses: []string{"10.0.0.1", "fe80::1"}}
	for _, c := range []struct {
		what       string
		began      bool
		result     simulator.Result
		err, cause error
		left       bool
		phase      wire.Phase
		untouched  bool
		facts      bool
	}{
		{what: "it succeeded", began: true, result: simulator.Result{Facts: on}, phase: wire.PhaseSucceeded, facts: true},
		{what: "there was nothing to do", result: simulator.Result{Unchanged: true, Facts: on}, phase: wire.PhaseSucceeded, untouched: true, facts: true},
		{what: "it succeeded before it was cancelled", began: true, result: simulator.Result{Facts: on}, cause: simulator.ErrCancelled, phase: wire.PhaseSucceeded, facts: true},
		{what: "it succeeded as the simulator ended", began: true, cause: errClosing, phase: wire.PhaseSucceeded, facts: true},
		{what: "it failed", began: true, err: broken, phase: wire.PhaseFailed},
		{what: "it failed and says how the machine is", began: true, result: simulator.Result{Facts: on}, err: broken, phase: wire.PhaseFailed, facts: true},
		{what: "it failed before it touched the machine", began: true, result: simulator.Result{Untouched: true}, err: broken, phase: wire.PhaseFailed, untouched: true},
		{what: "it was refused", err: busy, phase: wire.PhaseFailed, untouched: true},
		{what: "it was refused when it should go on", began: true, err: busy, phase: wire.PhaseFailed},
		{what: "it was cancelled", began: true, err: given, cause: simulator.ErrCancelled, phase: wire.PhaseCancelled},
		{what: "it was cancelled before it began", result: simulator.Result{Untouched: true}, err: busy, cause: simulator.ErrCancelled, phase: wire.PhaseCancelled, untouched: true},
		{what: "it had been cancelled before a restart", began: true, err: given, phase: wire.PhaseCancelled},
		{what: "its end is not on record", began: true, err: fmt.Errorf("%w: the disk is full", simulator.ErrUnkept), left: true},
		{what: "its end is not on record, and it was cancelled", began: true, err: fmt.Errorf("%w: %w", simulator.ErrUnkept, given), cause: simulator.ErrCancelled, left: true},
		{what: "the simulator ended", began: true, err: broken, cause: errClosing, left: true},
		{what: "the simulator ended while it waited", err: busy, cause: errClosing, left: true},
	} {
		j := &entry{action: simulator.Repave, began: c.began, progress: simulator.Progress{Stage: simulator.StageBoot, Percent: 100, Message: "booting"}}
		end, over := decideEnd(j, c.result, c.err, c.cause)
		if over == c.left {
			t.Errorf("%s: it is over: %v", c.what, over)
		}
		if c.left {
			continue
		}
		if end.Phase != c.phase || end.Untouched != c.untouched || (end.Facts != nil) != c.facts {
			t.Errorf("%s: got %+v", c.what, end)
		}
		if (end.Percent == 100) != (c.phase == wire.PhaseSucceeded) || end.Message == "" || end.Stage != "boot" {
			t.Errorf("%s: %d percent at %q: %q", c.what, end.Percent, end.Stage, end.Message)
		}
		if c.facts && c.result.Facts.On && (end.Facts.Power != "on" || end.Facts.Hardware["addresses"] != "10.0.0.1,fe80::1") {
			t.Errorf("%s: got %+v", c.what, end.Facts)
		}
	}
}

// TestEveryJobSaysSomething: the API asks for a message, whatever Machines say.
func TestEveryJobSaysSomething(t *testing.T) {
	end := &outcome{Phase: wire.PhaseCancelled}
	for _, j := range []*entry{
		{}, {began: true}, {began: true, progress: simulator.Progress{Stage: simulator.StageBoot}}, {cancelled: true},
		{waits: "another has it"}, {end: end, action: simulator.Repave, server: "server-001"},
	} {
		if view := j.view(); strings.TrimSpace(view.Message) == "" || strings.HasSuffix(view.Message, ": ") {
			t.Errorf("%+v says %q", j, view.Message)
		}
	}
}

func status(name, mac, ipv4, uid, bmc, job string) simulator.Status {
	return simulator.Status{Server: simulator.Server{Name: name, UID: uid, MAC: mac, IPv4: ipv4}, BMC: bmc, Job: job}
}

// TestDecideStart: which machine a request means, and whether it is free.
func TestDecideStart(t *testing.T) {
	const mac, other = "aa:bb:cc:dd:ee:01", "aa:bb:cc:dd:ee:02"
	machines := []simulator.Status{
		status("a", mac, "10.0.0.1", "u-1", "10.0.0.254:8001", ""), status("b", other, "10.0.0.2", "u-2", "", "job-9"),
	}
	for what, c := range map[string]struct {
		server wire.Server
		code   wire.ErrorCode
	}{
		"the machine":            {wire.Server{ServerID: "a", UID: "u-1", MAC: mac, BootMAC: mac, IPv4: "10.0.0.1", BMC: "10.0.0.254:8001"}, ""},
		"its controller as URL":  {wire.Server{ServerID: "a", BMC: "HTTP://10.0.0.254:8001/redfish/v1"}, ""},
		"only its name":          {wire.Server{ServerID: "a"}, ""},
		"with another address":   {wire.Server{ServerID: "a", MAC: mac, IPv4: "10.0.0.9"}, ""}, // a repave gives it that
		"a new one":              {wire.Server{ServerID: "c", MAC: "aa:bb:cc:dd:ee:03", IPv4: "10.0.0.3"}, ""},
		"another UID":            {wire.Server{ServerID: "a", UID: "u-9"}, wire.CodeIdentityMismatch},
		"another MAC":            {wire.Server{ServerID: "a", MAC: "aa:bb:cc:dd:ee:09"}, wire.CodeIdentityMismatch},
		"another boot MAC":       {wire.Server{ServerID: "a", MAC: mac, BootMAC: "aa:bb:cc:dd:ee:09"}, wire.CodeIdentityMismatch},
		"another controller":     {wire.Server{ServerID: "a", BMC: "10.0.0.254:8002"}, wire.CodeIdentityMismatch},
		"the other's MAC":        {wire.Server{ServerID: "c", MAC: mac}, wire.CodeIdentityMismatch},
		"the other's address":    {wire.Server{ServerID: "c", IPv4: "10.0.0.1"}, wire.CodeIdentityMismatch},
		"a busy one":             {wire.Server{ServerID: "b"}, wire.CodeServerBusy},
		"a busy one, mistaken":   {wire.Server{ServerID: "b", MAC: mac}, wire.CodeIdentityMismatch},
		"one that is being made": {wire.Server{ServerID: "made"}, wire.CodeServerBusy},
		"its MAC":                {wire.Server{ServerID: "c", MAC: "aa:bb:cc:dd:ee:0a"}, wire.CodeIdentityMismatch},
	} {
		b := newBook()
		if err := b.apply(event{Kind: accepted, At: start, JobID: "job-1", RequestID: "r-1", BodyHash: "h", Job: &simulator.Job{
			Server: simulator.Server{Name: "made", MAC: "aa:bb:cc:dd:ee:0a"},
		}}); err != nil {
			t.Fatal(err)
		}
		made, refused := b.decideStart(intent{key: "r-2", hash: "h", operation: wire.OperationRequest{Server: c.server}}, machines)
		if made != nil || (refused == nil) != (c.code == "") || refused != nil && refused.Code != c.code {
			t.Errorf("%s: got %+v, %+v; want %q", what, made, refused, c.code)
		}
		if refused != nil && refused.Code == wire.CodeServerBusy && refused.RetryAfter == 0 {
			t.Errorf("%s: it does not say when to come back", what)
		}
		// A request that came before is answered as it was then, whatever has changed.
		if made, refused := b.decideStart(intent{key: "r-1", hash: "h", operation: wire.OperationRequest{Server: c.server}}, machines); refused != nil || made.id != "job-1" {
			t.Errorf("%s: what came before is answered with %+v, %+v", what, made, refused)
		}
	}
}

func TestDecideStartBounds(t *testing.T) {
	b := newBook()
	for n := range maxLive {
		err := b.apply(event{Kind: accepted, At: start, JobID: fmt.Sprint("job-", n), RequestID: fmt.Sprint("r-", n), Job: &simulator.Job{Server: simulator.Server{Name: fmt.Sprint("s-", n)}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, refused := b.decideStart(intent{key: "more"}, nil); refused == nil || refused.Code != wire.CodeTooManyRequests || refused.RetryAfter == 0 {
		t.Errorf("with %d live jobs: %+v", maxLive, refused)
	}
	for n := range maxIDs - maxLive {
		if err := b.apply(event{Kind: voided, At: start, RequestID: fmt.Sprint("v-", n)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, refused := b.decideStart(intent{key: "more"}, nil); refused == nil || refused.Code != wire.CodeUnavailable || !strings.Contains(refused.Message, "move its jobs folder") {
		t.Errorf("with %d ids: %+v", maxIDs, refused)
	}
	if _, refused := b.decideStart(intent{key: "v-1"}, nil); refused == nil || refused.Code != wire.CodeRequestVoided {
		t.Errorf("a voided id: %+v", refused)
	}
}
