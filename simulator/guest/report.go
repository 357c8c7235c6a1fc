// Package guest is what a machine says of itself: one line of JSON every few seconds, written by the reporter that
// package seed puts into it.
//
//	reporter in the machine ──▶ /dev/virtio-ports/org.stargate.guest.0 ──▶ socket of QEMU ──Read──▶ Report
//
// In: bytes of a machine that may be in anybody's hands. Out: reports whose every field is bounded and fit to be
// printed. It never trusts a line, and never keeps more than one of them.
package guest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// Port is the name of the virtio port that reports come from.
const Port = "org.stargate.guest.0"

// Bounds of what a machine may say.
const (
	MaxLine      = 4 << 10
	MaxText      = 512
	MaxAddresses = 16
	maxUptime    = 100 * 365 * 24 * time.Hour
)

// CloudInit is how far a machine's cloud-init is.
type CloudInit string

// The states of cloud-init, told by its own record of this boot.
const (
	Running  CloudInit = "running"
	Done     CloudInit = "done"
	Error    CloudInit = "error" // it ended, and something in it failed: see Detail
	Disabled CloudInit = "disabled"
)

// Report is one line.
type Report struct {
	// Boot is the kernel's id of this boot: another one means that the machine started again.
	Boot      string
	Uptime    time.Duration
	CloudInit CloudInit
	// Detail is the stage while it runs, and what failed once it ended so. For people.
	Detail   string
	Hostname string
	// OSVersion is VERSION_ID of the system's os-release.
	OSVersion string
	// Addresses of its interfaces, without loopback and link-local ones.
	Addresses []string
	// Kubelet is "active", "inactive", or empty where there is none.
	Kubelet string
}

// line is a Report as it is written.
type line struct {
	Boot      string   `json:"boot"`
	Uptime    float64  `json:"uptime"`
	CloudInit string   `json:"cloudInit"`
	Detail    string   `json:"detail"`
	Hostname  string   `json:"hostname"`
	OSVersion string   `json:"osVersion"`
	Addresses []string `json:"addresses"`
	Kubelet   string   `json:"kubelet"`
}

var (
	bootID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	word   = regexp.MustCompile(`^[A-Za-z0-9._+~-]{0,253}$`)
)

// Parse reads one line. Its errors do not repeat what the line says.
func Parse(text []byte) (Report, error) {
	if len(text) > MaxLine {
		return Report{}, fmt.Errorf("reading a machine's report: it is longer than %d bytes", MaxLine)
	}
	var said line
	if err := json.Unmarshal(text, &said); err != nil {
		return Report{}, errors.New("reading a machine's report: it is not the JSON of one")
	}
	if field := said.wrong(); field != "" {
		return Report{}, fmt.Errorf("reading a machine's report: its %s cannot be", field)
	}
	report := Report{
		Boot: said.Boot, Uptime: time.Duration(said.Uptime * float64(time.Second)).Round(time.Millisecond), CloudInit: CloudInit(said.CloudInit),
		Detail: printable(said.Detail), Hostname: said.Hostname, OSVersion: said.OSVersion, Kubelet: said.Kubelet,
	}
	for _, address := range said.Addresses {
		parsed, err := netip.ParseAddr(address)
		if err != nil || parsed.Zone() != "" {
			return Report{}, errors.New("reading a machine's report: one of its addresses cannot be")
		}
		report.Addresses = append(report.Addresses, parsed.String())
	}
	return report, nil
}

// wrong names the first field that holds what no reporter writes.
func (l line) wrong() string {
	switch {
	case !bootID.MatchString(l.Boot):
		return "boot"
	case !(l.Uptime >= 0 && l.Uptime < maxUptime.Seconds()): // not a number is neither
		return "uptime"
	case !word.MatchString(l.Hostname):
		return "hostname"
	case !word.MatchString(l.OSVersion):
		return "osVersion"
	case len(l.Addresses) > MaxAddresses:
		return "addresses"
	case l.Kubelet != "" && l.Kubelet != "active" && l.Kubelet != "inactive":
		return "kubelet"
	}
	switch CloudInit(l.CloudInit) {
	case Running, Done, Error, Disabled:
		return ""
	}
	return "cloudInit"
}

// printable takes out what a terminal would act on, and what is too long.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	if len(text) > MaxText {
		text = strings.ToValidUTF8(text[:MaxText], "") // a letter that was cut in two goes
	}
	return strings.TrimSpace(text)
}

// Read gives each report that comes, until the machine ends its side. A line that is none is given as an error, and the
// next one read: a machine can break its own reports only.
func Read(from io.Reader, each func(Report, error)) error {
	lines := bufio.NewReaderSize(from, MaxLine+1)
	for tooLong := false; ; {
		text, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return nil // what comes without an end of line was cut short
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			tooLong = true
			continue
		}
		if err != nil {
			return fmt.Errorf("reading a machine's reports: %w", err)
		}
		if tooLong {
			tooLong = false
			each(Report{}, fmt.Errorf("reading a machine's report: it is longer than %d bytes", MaxLine))
			continue
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			each(Parse(text))
		}
	}
}
