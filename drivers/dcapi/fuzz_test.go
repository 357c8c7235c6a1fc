package dcapi

import (
	"net/http"
	"testing"
	"unicode/utf8"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/conformance"
	"stargate.io/stargate/drivers/dcapi/wire"
)

func seeds(f *testing.F) {
	f.Helper()
	for _, sample := range conformance.Garbage() {
		if len(sample.Body) < 1<<16 {
			f.Add(sample.Body)
		}
	}
	f.Add([]byte(`{"jobId":"job-1","requestId":"u-1","status":"accepted","phase":"succeeded","message":"done","percent":100,"facts":{"power":"on","hardware":{"cpus":"64"}}}`))
	f.Add([]byte(`{"requestId":"u-1","jobs":[{"jobId":"job-1","requestId":"u-1","phase":"running","message":""}]}`))
	f.Add([]byte(`{"version":"v2","idempotent":true,"cancel":true,"actions":["repave","dance"]}`))
}

func answerOf(body []byte) answer {
	header := http.Header{"Content-Type": {"application/json"}}
	return answer{status: http.StatusOK, header: header, body: body, secrets: secretsOf("canary-token")}
}

// FuzzJobReply: whatever a site answers about a job, what comes out is of the contract, bounded, and about that job.
func FuzzJobReply(f *testing.F) {
	seeds(f)
	job := drivers.JobRef{RequestID: "u-1", JobID: "job-1"}
	f.Fuzz(func(t *testing.T, body []byte) {
		var said wire.Job
		a := answerOf(body)
		if a.read(&said, false) != nil {
			return
		}
		status, err := statusOf(said, job, a.secrets)
		if err != nil {
			return
		}
		switch status.Phase {
		case drivers.JobPending, drivers.JobRunning, drivers.JobSucceeded, drivers.JobFailed, drivers.JobCancelled:
		default:
			t.Errorf("phase %q", status.Phase)
		}
		if said.JobID != job.JobID || status.Percent < 0 || status.Percent > 100 {
			t.Errorf("job %q, %d percent", said.JobID, status.Percent)
		}
		if len(status.Message) > maxMessage+3 || len(status.Stage) > maxStage+3 || !utf8.ValidString(status.Message) {
			t.Errorf("message of %d bytes, stage of %d", len(status.Message), len(status.Stage))
		}
		if status.Facts != nil && len(status.Facts.Hardware) > maxHardware {
			t.Errorf("%d facts", len(status.Facts.Hardware))
		}
	})
}

// FuzzAcceptance: a reference is given only for the request's own job, with an id that is safe in a path and a log.
func FuzzAcceptance(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, strict := range []bool{false, true} {
			if ref, err := readAccepted(answerOf(body), "u-1", strict); err == nil && !safe(ref, false) {
				t.Errorf("accepted as %+v", ref)
			}
		}
		if ref, err := readFound(answerOf(body), "u-1"); err == nil && !safe(ref, true) {
			t.Errorf("found as %+v", ref)
		}
		var said wire.Capabilities
		if a := answerOf(body); a.read(&said, false) == nil {
			if capabilities, err := capabilitiesOf(said); err == nil && len(capabilities.Actions) > maxActions {
				t.Errorf("%d actions", len(capabilities.Actions))
			}
		}
	})
}

func safe(ref drivers.JobRef, mayBeEmpty bool) bool {
	if ref.RequestID != "u-1" || len(ref.JobID) > 256 {
		return false
	}
	if ref.JobID == "" {
		return mayBeEmpty
	}
	for _, r := range ref.JobID {
		if r <= ' ' || r > '~' || r == '/' || r == '%' || r == '?' || r == '#' || r == '\\' {
			return false
		}
	}
	return ref.JobID[0] != '.'
}

// FuzzQuote: what is quoted of a site's text is bounded, printable and without the token.
func FuzzQuote(f *testing.F) {
	f.Add("canary-token", "user: data-of-cloud-init")
	f.Add("Bearer canary-tokencanary-token\x00\u202e", "")
	f.Add("canary\x00-token", "")
	f.Fuzz(func(t *testing.T, text, document string) {
		hidden := secretsOf("canary-token", []byte(document))
		got := hidden.quote(text)
		if len(got) > 12*maxQuote || !utf8.ValidString(got) {
			t.Errorf("%d bytes", len(got))
		}
		if containsToken(got) {
			t.Errorf("the token is in %s", got)
		}
	})
}

func containsToken(text string) bool {
	const token = "canary-token"
	for i := 0; i+len(token) <= len(text); i++ {
		if text[i:i+len(token)] == token {
			return true
		}
	}
	return false
}
