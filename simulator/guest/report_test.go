package guest

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

const good = `{"boot":"0f1e2d3c-0000-4000-8000-0123456789ab","uptime":12.5,"cloudInit":"running","detail":"modules-config",` +
	`"hostname":"web-1","osVersion":"12.1","addresses":["192.168.100.11","fd00::1"],"kubelet":"active"}`

func TestReportIsRead(t *testing.T) {
	got, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if got.Boot != "0f1e2d3c-0000-4000-8000-0123456789ab" || got.Uptime != 12500*time.Millisecond || got.CloudInit != Running ||
		got.Detail != "modules-config" || got.Hostname != "web-1" || got.OSVersion != "12.1" || got.Kubelet != "active" ||
		!slices.Equal(got.Addresses, []string{"192.168.100.11", "fd00::1"}) {
		t.Errorf("read %+v", got)
	}
}

func TestLiesAreRefused(t *testing.T) {
	lies := map[string]string{
		"no JSON":             "login: ",
		"a boot that is none": strings.Replace(good, "0f1e", "../e", 1),
		"a past before boot":  strings.Replace(good, "12.5", "-1", 1),
		"an endless uptime":   strings.Replace(good, "12.5", "1e300", 1),
		"another state":       strings.Replace(good, `"running"`, `"fine"`, 1),
		"a name with escapes": strings.Replace(good, "web-1", `\u001b[2J`, 1),
		"a version of blanks": strings.Replace(good, "12.1", "12 1", 1),
		"an address":          strings.Replace(good, "fd00::1", "fd00::1%eth0", 1),
		"no address":          strings.Replace(good, "fd00::1", "localhost", 1),
		"another kubelet":     strings.Replace(good, `"active"`, `"broken"`, 1),
		"a crowd":             strings.Replace(good, `"fd00::1"`, `"fd00::1"`+strings.Repeat(`,"::2"`, MaxAddresses), 1),
		"more than a line":    strings.Replace(good, "modules-config", strings.Repeat("x", MaxLine), 1),
	}
	for name, text := range lies {
		if report, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: taken as %+v", name, report)
		}
	}
}

func TestDetailIsFitToPrint(t *testing.T) {
	text := strings.Replace(good, "modules-config", `a\u001b[31mb\u0007\n`+strings.Repeat("é", MaxText), 1)
	got, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.Detail, "a[31mbé") || len(got.Detail) > MaxText || !utf8.ValidString(got.Detail) {
		t.Errorf("detail: %d bytes, %.20q", len(got.Detail), got.Detail)
	}
}

func TestBadLinesDoNotHideGoodOnes(t *testing.T) {
	stream := "half a line\n" + good + "\n" + strings.Repeat("x", 10*MaxLine) + "\n\n" + good + "\n" + good[:40]
	var seen []string
	err := Read(strings.NewReader(stream), func(r Report, err error) {
		seen = append(seen, fmt.Sprint(r.Hostname, err != nil))
	})
	if want := []string{"true", "web-1false", "true", "web-1false"}; err != nil || !slices.Equal(seen, want) {
		t.Errorf("seen %q, want %q; %v", seen, want, err)
	}
}

// endless is a machine that never ends its line.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left -= len(p); e.left < 0 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestALineWithoutEndTakesNoMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := Read(&endless{left: 64 << 20}, func(Report, error) { t.Error("there was no line") }); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("64 MiB of one line took %d bytes", grown)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, text []byte) {
		report, err := Parse(text)
		if err != nil {
			return
		}
		if len(report.Detail) > MaxText || len(report.Addresses) > MaxAddresses || report.Uptime < 0 || !bootID.MatchString(report.Boot) {
			t.Errorf("out of bounds: %+v", report)
		}
		for _, r := range report.Detail + report.Hostname + report.OSVersion {
			if r < ' ' || r == 0x7f {
				t.Errorf("%q is not fit to print", r)
			}
		}
	})
}
