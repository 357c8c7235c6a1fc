package dcapi_test

import (
	"io"
	"log"
	"net/http"
	"testing"
	"time"

	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/conformance"
	"stargate.io/stargate/drivers/dcapi"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// changeTo has the site come back speaking another version, over the same record.
func (d *datacenter) changeTo(api string) {
	d.Helper()
	d.config.API = api
	d.restart()
}

// TestVersion2SiteComesBackAsVersion1 looks for a resend: a request whose first try was in doubt must not be sent to
// a site that would make a job each time.
func TestVersion2SiteComesBackAsVersion1(t *testing.T) {
	d := newDatacenter(t, site.Config{})
	d.fault(site.Fault{Kind: site.LoseReply, Method: http.MethodPost})
	_, err := d.driver.Start(t.Context(), conformance.Repave("u-1", 1))
	check(t, "Start with all replies lost", err, "Unknown Unreachable")
	d.changeTo(site.V1)

	_, err = d.driver.Start(t.Context(), conformance.Repave("u-1", 1))
	check(t, "Start, the change not yet seen", err, "Unknown VersionChanged")
	for range 3 {
		_, err = d.driver.Start(t.Context(), conformance.Repave("u-1", 1))
		check(t, "Start, the change seen", err, "Unknown Unsupported")
	}
	_, _, err = d.driver.Find(t.Context(), "u-1")
	check(t, "Find", err, "Unknown Unsupported")
	if jobs := d.accepted(); len(jobs) != 1 {
		t.Errorf("on record: %+v", jobs)
	}

	if _, err := d.driver.Start(t.Context(), conformance.Repave("u-2", 2)); err != nil {
		t.Errorf("a request that was never sent: %v", err)
	}
	d.changeTo(site.V2)
	if _, err := d.driver.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.driver.Start(t.Context(), conformance.Repave("u-1", 1)); err != nil {
		t.Errorf("Start once the site is itself again: %v", err)
	}
}

// TestVersion1SiteComesBackAsVersion2: it answers that it knows no such request, truly, since it was never told the id.
func TestVersion1SiteComesBackAsVersion2(t *testing.T) {
	d := newDatacenter(t, site.Config{API: site.V1})
	d.fault(site.Fault{Kind: site.LoseReply, Method: http.MethodPost})
	_, err := d.driver.Start(t.Context(), conformance.Repave("u-1", 1))
	check(t, "Start with its reply lost", err, "Unknown Unreachable")
	d.mend()
	known, err := d.driver.Start(t.Context(), conformance.Repave("u-2", 2))
	check(t, "Start", err, "ok")
	d.changeTo(site.V2)
	if _, err := d.driver.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, err = d.driver.Find(t.Context(), "u-1")
	check(t, "Find", err, "Unknown Unsupported")
	_, err = d.driver.Start(t.Context(), conformance.Repave("u-1", 1))
	check(t, "Start again", err, "Unknown Unsupported")
	check(t, "voiding", d.driver.Cancel(t.Context(), drivers.JobRef{RequestID: "u-1"}), "Unknown Unsupported")
	if again, err := d.driver.Start(t.Context(), conformance.Repave("u-2", 2)); err != nil || again != known {
		t.Errorf("Start of what was answered: %+v, %v; want %+v", again, err, known)
	}
	if jobs := d.accepted(); len(jobs) != 2 {
		t.Errorf("on record: %+v", jobs)
	}
}

// TestChangeIsSeenByEveryCall: none of them takes the 404 of a version 1 site for the word of a version 2 site.
func TestChangeIsSeenByEveryCall(t *testing.T) {
	for name, call := range map[string]func(d *datacenter) error{
		"Start": func(d *datacenter) error {
			_, err := d.driver.Start(d.Context(), conformance.Repave("u-9", 9))
			return err
		},
		"Find":   func(d *datacenter) error { _, _, err := d.driver.Find(d.Context(), "u-9"); return err },
		"cancel": func(d *datacenter) error { return d.driver.Cancel(d.Context(), drivers.JobRef{JobID: "job-9"}) },
		"void":   func(d *datacenter) error { return d.driver.Cancel(d.Context(), drivers.JobRef{RequestID: "u-9"}) },
		"Status": func(d *datacenter) error {
			_, err := d.driver.Status(d.Context(), drivers.JobRef{JobID: "job-9"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDatacenter(t, site.Config{})
			if _, err := d.driver.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.changeTo(site.V1)
			err := call(d)
			want := "Transient VersionChanged"
			if name == "Status" {
				want = "NotFound" // a version 1 site says so with its code, too
			}
			check(t, name, err, want)
			if len(d.accepted()) != 0 {
				t.Errorf("on record: %+v", d.accepted())
			}
		})
	}
}

// TestRefusalAfterDoubt: an earlier try may land after the site has refused a later one. The refusal stands only once
// the id is voided.
func TestRefusalAfterDoubt(t *testing.T) {
	d := newDatacenter(t, site.Config{})
	if _, err := d.driver.Start(t.Context(), conformance.Repave("first", 1)); err != nil {
		t.Fatal(err)
	}
	d.clock.Advance(2 * repaveTime)
	wrong := conformance.Repave("u-1", 1)
	wrong.Server.MAC = "aa:bb:cc:00:00:00"
	// The first try is held back and its connection closed; the second is refused.
	d.fault(site.Fault{Kind: site.Late, Path: "/operations", Count: 1, Delay: site.Duration(time.Hour)})
	driver := newDriver(t, dcapi.Config{Endpoint: d.net.URL(), Timeout: 200 * time.Millisecond})
	_, err := driver.Start(t.Context(), wrong)
	check(t, "Start", err, "Rejected IdentityMismatch")
	// Were the record put right meanwhile, what was held back would be accepted now.
	if err := d.dc.Load().Forget("server-001"); err != nil {
		t.Fatal(err)
	}
	d.clock.Advance(time.Hour)
	d.dc.Load().WaitLate()
	if jobs := d.accepted(); len(jobs) != 1 {
		t.Errorf("a request that was called refused made a job: %+v", jobs)
	}
}

// TestRefusalAfterDoubtThatCannotBeSettled stays Unknown, also over several calls.
func TestRefusalAfterDoubtThatCannotBeSettled(t *testing.T) {
	answers := []int{500, 500, 500, 409, 429}
	fakeSite := &fake{version: "v2"}
	fakeSite.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/jobs/cancel" {
			say(w, 500, `{}`)
			return
		}
		status := 400
		if len(answers) > 0 {
			status, answers = answers[0], answers[1:]
		}
		say(w, status, `{"code":"identity_mismatch","message":"no"}`)
	}
	driver := fakeSite.driver(t, dcapi.Config{})
	for _, want := range []string{"Unknown SiteError", "Unknown IdentityMismatch", "Unknown Busy", "Unknown IdentityMismatch"} {
		_, err := driver.Start(t.Context(), conformance.Repave("u-1", 1))
		check(t, "Start", err, want)
	}
	_, err := driver.Start(t.Context(), conformance.Repave("u-2", 2))
	check(t, "Start of another", err, "Rejected IdentityMismatch")
}

// TestNotFoundOfSomethingElse: a page that is missing is no word on a job.
func TestNotFoundOfSomethingElse(t *testing.T) {
	lost := func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
	v2 := (&fake{version: "v2", answer: lost}).driver(t, dcapi.Config{})
	_, err := v2.Status(t.Context(), drivers.JobRef{JobID: "job-1"})
	check(t, "Status at version 2", err, "Transient VersionChanged")
	check(t, "voiding", v2.Cancel(t.Context(), drivers.JobRef{RequestID: "u-1"}), "Transient VersionChanged")
	v1 := (&fake{version: "v1", answer: lost}).driver(t, dcapi.Config{})
	_, err = v1.Status(t.Context(), drivers.JobRef{JobID: "job-1"})
	check(t, "Status at version 1", err, "NotFound")
}

// TestOnlyAHealthySiteIsVersion1: a 404 for the capabilities alone may come from anything on the way.
func TestOnlyAHealthySiteIsVersion1(t *testing.T) {
	posts := 0
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(http.ResponseWriter, *http.Request) { posts++ })
	d := newDatacenter(t, site.Config{})
	d.net.Use(mux)
	_, err := d.driver.Start(t.Context(), conformance.Repave("u-1", 1))
	if drivers.KindOf(err) != drivers.Transient || posts != 0 {
		t.Errorf("Start: %v, %d POSTs", err, posts)
	}
}

// TestLies: a job that has ended and is said to run, and one that exists and is said not to, are for the caller to
// judge; another job's state is not handed on.
func TestLies(t *testing.T) {
	for _, c := range []struct {
		fault site.Fault
		want  string
	}{
		{site.Fault{Kind: site.Garbage, Sort: site.WrongJobID, Act: true}, "Transient InvalidResponse"},
		{site.Fault{Kind: site.Garbage, Sort: site.WrongID, Act: true}, "Transient InvalidResponse"},
		{site.Fault{Kind: site.Garbage, Sort: site.EmptyJobID, Act: true}, "Transient InvalidResponse"},
		{site.Fault{Kind: site.Garbage, Sort: site.StrangeID, Act: true}, "Transient InvalidResponse"},
		{site.Fault{Kind: site.Garbage, Sort: site.BadPercent, Act: true}, "Transient InvalidResponse"},
		{site.Fault{Kind: site.Garbage, Sort: site.BadPhase, Act: true}, "Transient InvalidResponse"},
		{site.Fault{Kind: site.Garbage, Sort: site.HTML, Act: true}, "Transient InvalidResponse"},
		{site.Fault{Kind: site.Garbage, Sort: site.Truncated, Act: true}, "Transient InvalidResponse"},
		{site.Fault{Kind: site.Garbage, Sort: site.EmptyBody, Act: true}, "Transient InvalidResponse"},
		{site.Fault{Kind: site.Garbage, Sort: site.NotJSON, Act: true}, "Transient InvalidResponse"},
		{site.Fault{Kind: site.Lie, Sort: site.LieUnknown}, "NotFound"},
		{site.Fault{Kind: site.Lie, Sort: site.LieRunning}, "ok"},
	} {
		t.Run(string(c.fault.Kind)+" "+c.fault.Sort, func(t *testing.T) {
			d := newDatacenter(t, site.Config{})
			job, err := d.driver.Start(t.Context(), conformance.Repave("u-1", 1))
			if err != nil {
				t.Fatal(err)
			}
			d.fault(c.fault)
			_, err = d.driver.Status(t.Context(), job)
			check(t, "Status", err, c.want)
		})
	}
}
