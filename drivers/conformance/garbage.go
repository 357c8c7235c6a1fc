package conformance

import (
	"bytes"
	"embed"
	"path"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"stargate.io/stargate/drivers"
)

//go:embed testdata/garbage
var corpus embed.FS

// Sample is an answer that is of no protocol.
type Sample struct {
	Name string
	Body []byte
}

// Garbage gives the corpus: small ones from testdata, and those too large to keep.
func Garbage() []Sample {
	samples := []Sample{
		{"deep", bytes.Repeat([]byte(`{"a":`), 100_000)},
		{"long", append([]byte(`{"jobId":"`), bytes.Repeat([]byte("a"), 3<<20)...)},
		{"long-job-id", []byte(`{"requestId":"garbage-1","status":"accepted","jobId":"` + strings.Repeat("a", 300) + `"}`)},
		{"spaces", bytes.Repeat([]byte(" "), 2<<20)},
	}
	files, err := corpus.ReadDir("testdata/garbage")
	if err != nil {
		panic("reading the embedded corpus: " + err.Error()) // it is part of the binary
	}
	for _, file := range files {
		body, err := corpus.ReadFile(path.Join("testdata/garbage", file.Name()))
		if err != nil {
			panic("reading the embedded corpus: " + err.Error())
		}
		samples = append(samples, Sample{strings.TrimSuffix(file.Name(), ".txt"), body})
	}
	return samples
}

// runGarbage holds a driver to believing nothing that makes no sense.
func runGarbage(t *testing.T, makeSite func(t *testing.T) Site) {
	t.Helper()
	for _, sample := range Garbage() {
		t.Run(sample.Name, func(t *testing.T) {
			ignored := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, ignored) })
			s := &session{T: t, Site: makeSite(t)}
			s.learn()
			s.garbage(sample.Body)
		})
	}
}

func (s *session) garbage(body []byte) {
	s.need("Garbage and Mend", s.Garbage != nil && s.Mend != nil)
	known := s.mustStart(s.request("known-1", 1))
	s.Garbage(body)
	_, err := s.start(s.request("garbage-1", 0))
	s.wantKind("Start", err, drivers.Unknown)
	_, err = s.status(known)
	s.wantKind("Status", err, drivers.Transient)
	if _, found, err := s.find("garbage-1"); err == nil {
		s.Errorf("Find believes it: %v", found)
	}
	if err := s.cancel(known); err == nil {
		s.Errorf("Cancel believes it")
	}
	s.Mend()
	s.wantJobs(2)
	if s.can.Idempotent {
		if _, found, err := s.find("garbage-1"); !found || err != nil {
			s.Errorf("Find once the site makes sense again: %v, %v", found, err)
		}
	} else {
		_, err := s.start(s.request("garbage-1", 0))
		s.wantKind("Start again at a site that cannot tell", err, drivers.Unknown)
		s.wantJobs(2)
	}
}
