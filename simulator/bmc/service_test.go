package bmc_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/bmc"
)

// TestEveryLinkLeadsSomewhere walks the service from its root, as a client does that knows nothing of it.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	s := newService(t, bmc.Media{})
	s.set(func(b *bench) { b.front.Medium = &simulator.Medium{URL: "http://images.example/a.iso"} })
	seen, waiting := map[string]bool{}, []string{"/redfish/v1"}
	for len(waiting) > 0 {
		path := waiting[0]
		waiting = waiting[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		got := s.call(http.MethodGet, path, "")
		if got.status != http.StatusOK || got.at("@odata.id") != path || got.at("@odata.type") == nil || got.at("Name") == nil {
			t.Errorf("%s: %d, and it calls itself %v, %v", path, got.status, got.at("@odata.id"), got.at("@odata.type"))
		}
		etag := got.header.Get("ETag")
		if etag == "" || got.at("@odata.etag") != etag {
			t.Errorf("%s: ETag %q, and it says %v", path, etag, got.at("@odata.etag"))
		}
		if again := s.call(http.MethodGet, path, "", "If-None-Match", etag); again.status != http.StatusNotModified || again.body != "" {
			t.Errorf("%s: %d for a client that has it", path, again.status)
		}
		waiting = append(waiting, linksOf(got.parsed)...)
	}
	for _, path := range []string{"/Systems/1", "/Systems/1/EthernetInterfaces/1", "/Managers/1/VirtualMedia/Cd", "/Chassis/1", "/SessionService/Sessions"} {
		if !seen["/redfish/v1"+path] {
			t.Errorf("no link leads to %s", path)
		}
	}
}

// linksOf gives every path that a resource names but its own.
func linksOf(value any) []string {
	var paths []string
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if path, isText := member.(string); isText && name == "@odata.id" {
				paths = append(paths, path)
			}
			paths = append(paths, linksOf(member)...)
		}
	case []any:
		for _, member := range v {
			paths = append(paths, linksOf(member)...)
		}
	}
	return paths
}

func TestWhoMayAsk(t *testing.T) {
	s := newService(t, bmc.Media{})
	for _, path := range []string{"/redfish", "/redfish/", "/redfish/v1", "/redfish/v1/", "/redfish/v1/odata", "/redfish/v1/$metadata"} {
		if got := s.callAs("", "", http.MethodGet, path, ""); got.status != http.StatusOK {
			t.Errorf("%s without a password: %d", path, got.status)
		}
	}
	for _, path := range []string{"/redfish/v1/Systems", "/redfish/v1/Systems/1", "/redfish/v1/nowhere", "/", "/redfish/v1/SessionService/Sessions"} {
		for _, who := range [][2]string{{"", ""}, {"admin", ""}, {"admin", "secre"}, {"root", "secret"}, {"admin", "secret2"}} {
			got := s.callAs(who[0], who[1], http.MethodGet, path, "")
			s.want(path, got, http.StatusUnauthorized, "NoValidSession")
			if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic") {
				t.Errorf("%s: it does not say how to authenticate", path)
			}
		}
	}
	s.want("a reset by nobody", s.callAs("", "", http.MethodPost, resetPath, `{"ResetType":"On"}`), http.StatusUnauthorized, "NoValidSession")
	if _, resets := s.is(); len(resets) > 0 {
		t.Errorf("it was done: %v", resets)
	}
}

func TestSessions(t *testing.T) {
	s := newService(t, bmc.Media{})
	const path = "/redfish/v1/SessionService/Sessions"
	s.want("a wrong password", s.callAs("", "", http.MethodPost, path, `{"UserName":"admin","Password":"no"}`), http.StatusUnauthorized, "NoValidSession")
	s.want("no password", s.callAs("", "", http.MethodPost, path, `{"UserName":"admin"}`), http.StatusBadRequest, "PropertyMissing")
	s.want("no object", s.callAs("", "", http.MethodPost, path, `[]`), http.StatusBadRequest, "MalformedJSON")
	made := s.callAs("", "", http.MethodPost, path, `{"UserName":"admin","Password":"secret"}`)
	token, location := made.header.Get("X-Auth-Token"), made.header.Get("Location")
	if made.status != http.StatusCreated || token == "" || location != made.at("@odata.id") || strings.Contains(made.body, token) {
		t.Fatalf("a session: %d, token %q, location %q: %s", made.status, token, location, made.body)
	}
	get := func() answer {
		return s.callAs("", "", http.MethodGet, "/redfish/v1/Systems/1", "", "X-Auth-Token", token)
	}
	s.want("with the session", get(), http.StatusOK, "")
	s.want("with another token", s.callAs("", "", http.MethodGet, location, "", "X-Auth-Token", token[1:]), http.StatusUnauthorized, "NoValidSession")
	s.want("its end", s.callAs("", "", http.MethodDelete, location, "", "X-Auth-Token", token), http.StatusNoContent, "")
	s.want("after its end", get(), http.StatusUnauthorized, "NoValidSession")
	s.want("its end again", s.call(http.MethodDelete, location, ""), http.StatusNotFound, "ResourceMissingAtURI")
	for range 40 {
		s.callAs("", "", http.MethodPost, path, `{"UserName":"admin","Password":"secret"}`)
	}
	if count, _ := s.call(http.MethodGet, path, "").at("Members@odata.count").(float64); count != 16 {
		t.Errorf("%v sessions after forty were made, want 16", count)
	}
}

func TestWhatTheProtocolRefuses(t *testing.T) {
	s := newService(t, bmc.Media{})
	for _, c := range []struct {
		what, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"a path that is not there", "GET", "/redfish/v1/Systems/2", "", nil, 404, "ResourceMissingAtURI"},
		{"a path with dots", "GET", "/redfish/v1/../../etc/passwd", "", nil, 404, "ResourceMissingAtURI"},
		{"a method that is not there", "DELETE", "/redfish/v1/Systems/1", "", nil, 405, "OperationNotAllowed"},
		{"a reset by GET", "GET", resetPath, "", nil, 405, "OperationNotAllowed"},
		{"a query", "GET", "/redfish/v1/Systems?$expand=*", "", nil, 501, "QueryNotSupported"},
		{"another version", "GET", "/redfish/v1/Systems", "", []string{"OData-Version", "3.0"}, 412, "HeaderInvalid"},
		{"no JSON", "PATCH", "/redfish/v1/Systems/1", "{", nil, 400, "MalformedJSON"},
		{"two documents", "PATCH", "/redfish/v1/Systems/1", "{}{}", nil, 400, "MalformedJSON"},
		{"a long body", "PATCH", "/redfish/v1/Systems/1", `{"Boot":"` + strings.Repeat("a", 1<<17) + `"}`, nil, 400, "MalformedJSON"},
		{"an empty patch", "PATCH", "/redfish/v1/Systems/1", "", nil, 400, "MalformedJSON"},
	} {
		got := s.call(c.method, c.path, c.body, c.headers...)
		s.want(c.what, got, c.status, c.code)
		if c.status == 405 && got.header.Get("Allow") == "" {
			t.Errorf("%s: it does not say what is allowed", c.what)
		}
	}
	if got := s.call(http.MethodHead, "/redfish/v1/Systems/1", ""); got.status != http.StatusOK || got.body != "" || got.header.Get("Allow") != "GET, PATCH" {
		t.Errorf("HEAD: %d, allow %q", got.status, got.header.Get("Allow"))
	}
	s.set(func(b *bench) { b.gone = true })
	s.want("a machine that is no more", s.call("GET", "/redfish/v1/Systems/1", ""), 503, "ResourceNotFound")
}

const (
	systemPath = "/redfish/v1/Systems/1"
	resetPath  = systemPath + "/Actions/ComputerSystem.Reset"
)

func TestSystem(t *testing.T) {
	s := newService(t, bmc.Media{})
	got := s.call(http.MethodGet, systemPath, "")
	for _, c := range []struct {
		want any
		path []string
	}{
		{"server-001", []string{"Name"}}, {"Off", []string{"PowerState"}}, {"Disabled", []string{"Status", "State"}}, {"OK", []string{"Status", "Health"}},
		{"None", []string{"BootProgress", "LastState"}}, {2.0, []string{"ProcessorSummary", "Count"}}, {1.5, []string{"MemorySummary", "TotalSystemMemoryGiB"}},
		{s.front.UUID, []string{"UUID"}}, {"SIM-001", []string{"SerialNumber"}}, {"None", []string{"Boot", "BootSourceOverrideTarget"}},
		{resetPath, []string{"Actions", "#ComputerSystem.Reset", "target"}},
	} {
		if is := got.at(c.path...); is != c.want {
			t.Errorf("%s: got %v, want %v", strings.Join(c.path, "/"), is, c.want)
		}
	}
	if by, _ := got.at("Links", "ManagedBy").([]any); len(by) != 1 {
		t.Errorf("it is managed by %v", by)
	}
	nic := s.call(http.MethodGet, systemPath+"/EthernetInterfaces/1", "")
	if nic.at("MACAddress") != "52:54:00:00:00:01" || nic.at("LinkStatus") != "LinkDown" || strings.Contains(nic.body, "fe80") {
		t.Errorf("its interface: %s", nic.body)
	}
}

func TestHowItIs(t *testing.T) {
	s := newService(t, bmc.Media{})
	for _, c := range []struct {
		condition simulator.Condition
		stage     simulator.Stage
		on        bool
		health    string
		progress  string
	}{
		{simulator.Off, simulator.StageDone, false, "OK", "None"},
		{simulator.Busy, simulator.StageBoot, true, "OK", "SystemHardwareInitializationComplete"},
		{simulator.Busy, simulator.StageCloudInit, true, "OK", "OSBootStarted"},
		{simulator.Healthy, simulator.StageDone, true, "OK", "OSRunning"},
		{simulator.Unreachable, simulator.StageDone, true, "Warning", "OSRunning"},
		{simulator.Paused, simulator.StageDone, true, "Warning", "OSRunning"},
		{simulator.Hung, simulator.StageDone, true, "Critical", "OSRunning"},
		{simulator.Dead, "", false, "Critical", "None"},
		{simulator.BootLoop, "", true, "Critical", "SystemHardwareInitializationComplete"},
		{simulator.Quarantined, "", false, "Critical", "None"},
	} {
		s.set(func(b *bench) {
			b.status.Health = simulator.Health{Condition: c.condition, Message: "the reason", Since: time.Unix(0, 0)}
			b.status.Facts.On, b.front.Stage = c.on, c.stage
		})
		got := s.call(http.MethodGet, systemPath, "")
		if got.at("Status", "Health") != c.health || got.at("BootProgress", "LastState") != c.progress {
			t.Errorf("%s at %q: health %v, progress %v", c.condition, c.stage, got.at("Status", "Health"), got.at("BootProgress", "LastState"))
		}
		if said := strings.Contains(got.body, "the reason"); said == (c.health == "OK") {
			t.Errorf("%s: the reason is said: %v", c.condition, said)
		}
	}
}

func TestBootOverride(t *testing.T) {
	s := newService(t, bmc.Media{})
	patch := func(body string, headers ...string) answer {
		return s.call(http.MethodPatch, systemPath, body, headers...)
	}
	was := s.boot()
	for what, c := range map[string]struct{ body, code string }{
		"an unknown target":      {`{"Boot":{"BootSourceOverrideTarget":"Floppy"}}`, "PropertyValueNotInList"},
		"an unknown enablement":  {`{"Boot":{"BootSourceOverrideTarget":"Cd","BootSourceOverrideEnabled":"Twice"}}`, "PropertyValueNotInList"},
		"a number":               {`{"Boot":{"BootSourceOverrideTarget":1}}`, "PropertyValueTypeError"},
		"a list":                 {`{"Boot":[]}`, "PropertyValueTypeError"},
		"an unknown member":      {`{"Boot":{"BootSourceOverrideTarget":"Cd","Colour":"red"}}`, "PropertyUnknown"},
		"an unknown property":    {`{"Colour":"red","Boot":{"BootSourceOverrideTarget":"Cd"}}`, "PropertyUnknown"},
		"a property that is not": {`{"PowerState":"On"}`, "PropertyNotWritable"},
	} {
		s.want(what, patch(c.body), http.StatusBadRequest, c.code)
	}
	if s.boot() != was {
		t.Errorf("what was refused was done: %+v", s.boot())
	}
	// As Ironic does it.
	got := patch(`{"Boot":{"BootSourceOverrideTarget":"Cd","BootSourceOverrideEnabled":"Once","BootSourceOverrideMode":"UEFI"}}`)
	s.want("boot from CD once", got, http.StatusOK, "")
	if want := (simulator.Boot{Source: simulator.BootCd, Override: simulator.BootOnce, Mode: simulator.BootUEFI}); s.boot() != want {
		t.Errorf("it is %+v, want %+v", s.boot(), want)
	}
	if got.at("Boot", "BootSourceOverrideTarget") != "Cd" || got.at("Boot", "BootSourceOverrideEnabled") != "Once" {
		t.Errorf("it answers %v", got.at("Boot"))
	}
	etag := got.header.Get("ETag")
	s.want("with its ETag", patch(`{"Boot":{"BootSourceOverrideTarget":"Pxe"}}`, "If-Match", etag), http.StatusOK, "")
	s.want("with the ETag of before", patch(`{"Boot":{"BootSourceOverrideTarget":"Hdd"}}`, "If-Match", etag), http.StatusPreconditionFailed, "PreconditionFailed")
	s.want("with any ETag", patch(`{"Boot":{"BootSourceOverrideTarget":"Hdd"}}`, "If-Match", "*"), http.StatusOK, "")
	s.want("no override", patch(`{"Boot":{"BootSourceOverrideEnabled":"Disabled"}}`), http.StatusOK, "")
	if s.boot().Source != simulator.BootNone || s.boot().Override != simulator.BootDisabled {
		t.Errorf("it is %+v", s.boot())
	}
	s.set(func(b *bench) { b.refuse = simulator.Refuse(simulator.ReasonBadRequest, "this machine has no UEFI") })
	s.want("what the machine cannot", patch(`{"Boot":{"BootSourceOverrideMode":"Legacy"}}`), http.StatusBadRequest, "GeneralError")
}

func TestReset(t *testing.T) {
	s := newService(t, bmc.Media{})
	reset := func(body string) answer { return s.call(http.MethodPost, resetPath, body) }
	for what, c := range map[string]struct{ body, code string }{
		"no type":              {`{}`, "ActionParameterMissing"},
		"no body":              {``, "ActionParameterMissing"},
		"an NMI":               {`{"ResetType":"Nmi"}`, "ActionParameterValueNotInList"},
		"another type":         {`{"ResetType":"\n../../"}`, "ActionParameterValueNotInList"},
		"a number":             {`{"ResetType":1}`, "PropertyValueTypeError"},
		"an unknown parameter": {`{"ResetType":"On","Force":true}`, "ActionParameterUnknown"},
	} {
		s.want(what, reset(c.body), http.StatusBadRequest, c.code)
	}
	offered, _ := s.call(http.MethodGet, systemPath, "").at("Actions", "#ComputerSystem.Reset", "ResetType@Redfish.AllowableValues").([]any)
	for _, kind := range offered {
		s.want(kind.(string), reset(`{"ResetType":"`+kind.(string)+`"}`), http.StatusNoContent, "")
	}
	want := []simulator.Reset{"On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "PowerCycle"}
	if _, resets := s.is(); !slices.Equal(resets, want) {
		t.Errorf("it was told %v, want %v", resets, want)
	}
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{simulator.Refuse(simulator.ReasonServerBusy, "job-1 is on it"), http.StatusConflict, "ResourceInUse"},
		{simulator.Refuse(simulator.ReasonHostLimits, "512 MiB are short"), http.StatusServiceUnavailable, "ResourceExhaustion"},
		{errors.New("the socket is gone"), http.StatusInternalServerError, "InternalError"},
	} {
		s.set(func(b *bench) { b.refuse = c.err })
		got := reset(`{"ResetType":"On"}`)
		s.want(c.err.Error(), got, c.status, c.code)
		if !strings.Contains(got.body, c.err.Error()) || (c.status != 500) != (got.header.Get("Retry-After") != "") {
			t.Errorf("%v: retry after %q: %s", c.err, got.header.Get("Retry-After"), got.body)
		}
	}
}
