package bmc_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/bmc"
)

// bench is one machine's panel, of no machine: what is asked of a controller here is what it answers, and what it tells
// its panel to do. A machine of QEMU behind it has tests of its own.
type bench struct {
	mu     sync.Mutex
	status simulator.Status
	front  simulator.Front
	gone   bool
	resets []simulator.Reset
	refuse error
}

func newBench() *bench {
	return &bench{
		status: simulator.Status{
			Server: simulator.Server{Name: "server-001", UID: "u-1", MAC: "52:54:00:00:00:01", IPv4: "192.168.100.11"},
			Size:   simulator.Size{CPUs: 2, MemoryMiB: 1536, DiskGiB: 20},
			Facts:  simulator.Facts{Addresses: []string{"192.168.100.11", "fe80::1"}},
			Health: simulator.Health{Condition: simulator.Off},
		},
		front: simulator.Front{
			UUID: "6f2b9a4e-0000-4000-8000-000000000001", Serial: "SIM-001",
			Boot: simulator.Boot{Source: simulator.BootNone, Override: simulator.BootDisabled, Mode: simulator.BootLegacy},
		},
	}
}

// Look implements bmc.Panels.
func (b *bench) Look(name string) (simulator.Status, simulator.Front, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status, b.front, !b.gone && name == b.status.Server.Name
}

// Reset implements bmc.Panels.
func (b *bench) Reset(_ context.Context, _ string, kind simulator.Reset) error {
	return b.do(func() {
		b.resets = append(b.resets, kind)
		b.status.Facts.On = kind != simulator.ResetForceOff && kind != simulator.ResetGracefulShutdown
		b.status.Health.Condition = simulator.Healthy
	})
}

// SetBoot implements bmc.Panels.
func (b *bench) SetBoot(_ context.Context, _ string, boot simulator.Boot) error {
	return b.do(func() { b.front.Boot = boot })
}

// SetMedium implements bmc.Panels.
func (b *bench) SetMedium(_ context.Context, _ string, medium *simulator.Medium) error {
	return b.do(func() { b.front.Medium = medium })
}

func (b *bench) do(deed func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse == nil {
		deed()
	}
	return b.refuse
}

func (b *bench) set(change func(*bench)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

// is gives what the panel has been told so far.
func (b *bench) is() (simulator.Front, []simulator.Reset) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.front, slices.Clone(b.resets)
}

// drive gives what is in the drive; nil for nothing.
func (b *bench) drive() *simulator.Medium {
	front, _ := b.is()
	return front.Medium
}

// boot gives where the machine starts from.
func (b *bench) boot() simulator.Boot {
	front, _ := b.is()
	return front.Boot
}

// service is a controller behind HTTP, and a client with its password.
type service struct {
	*testing.T
	*bench
	media  bmc.Media
	server *httptest.Server
}

func newService(t *testing.T, media bmc.Media) *service {
	t.Helper()
	s := &service{T: t, bench: newBench(), media: media}
	if s.media.Folder == "" {
		s.media.Folder = filepath.Join(t.TempDir(), "media")
	}
	s.server = httptest.NewServer(bmc.New(bmc.Config{Panels: s.bench, User: "admin", Password: "secret", Media: s.media}, "server-001"))
	t.Cleanup(s.server.Close)
	return s
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	parsed map[string]any
}

// code of the Redfish error that came back; empty for none.
func (a answer) code() string {
	fault, _ := a.parsed["error"].(map[string]any)
	code, _ := fault["code"].(string)
	_, short, _ := strings.Cut(strings.TrimPrefix(code, "Base.1."), ".")
	return short
}

func (a answer) at(path ...string) any {
	var value any = a.parsed
	for _, name := range path {
		members, _ := value.(map[string]any)
		value = members[name]
	}
	return value
}

func (s *service) call(method, path, body string, headers ...string) answer {
	s.Helper()
	return s.callAs("admin", "secret", method, path, body, headers...)
}

func (s *service) callAs(user, password, method, path, body string, headers ...string) answer {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), method, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.server.Client().Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	got := answer{status: response.StatusCode, header: response.Header, body: string(text)}
	if method != http.MethodHead && strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, &got.parsed); err != nil {
			s.Errorf("%s %s answers what is not JSON: %v: %.200s", method, path, err, text)
		}
	}
	s.wellFormed(method, path, got)
	return got
}

// wellFormed holds every answer to what the specification asks of all of them.
func (s *service) wellFormed(method, path string, got answer) {
	s.Helper()
	if got.header.Get("OData-Version") != "4.0" {
		s.Errorf("%s %s: OData-Version is missing", method, path)
	}
	if got.status < 400 || method == http.MethodHead {
		return
	}
	infos, _ := got.at("error", "@Message.ExtendedInfo").([]any)
	if len(infos) == 0 || got.code() == "" {
		s.Errorf("%s %s: %d without a Redfish error: %s", method, path, got.status, got.body)
		return
	}
	info, _ := infos[0].(map[string]any)
	for _, name := range []string{"@odata.type", "MessageId", "Message", "MessageSeverity", "Resolution"} {
		if text, _ := info[name].(string); text == "" {
			s.Errorf("%s %s: the error has no %s: %s", method, path, name, got.body)
		}
	}
}

// want fails unless an answer has a status and, where it is an error, a code.
func (s *service) want(what string, got answer, status int, code string) {
	s.Helper()
	if got.status != status || got.code() != code {
		s.Errorf("%s: got %d %s, want %d %s: %s", what, got.status, got.code(), status, code, got.body)
	}
}

func files(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(folder)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
