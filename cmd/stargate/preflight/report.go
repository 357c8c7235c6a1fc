package preflight

import "stargate.io/stargate/cmd/stargate/render"

// Status of a check.
type Status string

// The outcomes of a check.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
	// Skipped: it could not be asked, for a reason that another check tells.
	Skipped Status = "skipped"
)

// Check is one line of the report.
type Check struct {
	Group   string `json:"group"`
	Name    string `json:"name"`
	Status  Status `json:"status"`
	Message string `json:"message,omitempty"`
	// Mend says what to do; every check that is not ok has one.
	Mend string `json:"mend,omitempty"`
}

// Report is what `stargate check -o json` prints.
type Report struct {
	render.Header
	// OK: no check failed.
	OK     bool    `json:"ok"`
	Checks []Check `json:"checks"`
}

// Count tells how many checks ended so.
func (r *Report) Count(status Status) int {
	n := 0
	for _, check := range r.Checks {
		if check.Status == status {
			n++
		}
	}
	return n
}

// reporter adds the checks of one group.
type reporter struct {
	report *Report
	group  string
}

func (r reporter) add(status Status, name, message, mend string) {
	r.report.Checks = append(r.report.Checks, Check{
		Group: r.group, Name: name, Status: status, Message: render.Clean(message), Mend: render.Clean(mend),
	})
	if status == Fail {
		r.report.OK = false
	}
}

func (r reporter) ok(name, message string)            { r.add(OK, name, message, "") }
func (r reporter) warn(name, message, mend string)    { r.add(Warn, name, message, mend) }
func (r reporter) fail(name, message, mend string)    { r.add(Fail, name, message, mend) }
func (r reporter) skipped(name, message, mend string) { r.add(Skipped, name, message, mend) }
