package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// site is a datacenter that pretends.
type site struct {
	plan plan
	url  string
}

// jobTakes is long enough to be watched.
const jobTakes = 2 * time.Second

var listensOn = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// openSite starts a datacenter on a free port.
func openSite(ctx context.Context, crew *crew, plan plan) (*site, error) {
	args := []string{"--listen", "127.0.0.1:0", "--name", plan.name, "--api", plan.api, "--duration", jobTakes.String(),
		"--data", filepath.Join(crew.dir, plan.name)}
	for _, fault := range plan.faults {
		args = append(args, "--fault", fault)
	}
	started, err := crew.start(plan.name, "mockdc", args...)
	if err != nil {
		return nil, err
	}
	s := &site{plan: plan}
	err = started.until(ctx, 20*time.Second, func() bool {
		text, _ := os.ReadFile(started.log) // it is asked for again
		s.url = listensOn.FindString(string(text))
		return s.url != ""
	})
	return s, err
}

// event is what the demo wants to know of a line of a site's record.
type event struct {
	Kind     string `json:"kind"`
	JobID    string `json:"jobId"`
	ServerID string `json:"serverId"`
	Action   string `json:"action"`
	Phase    string `json:"phase"`
	Live     int    `json:"live"`
}

// record is what the site did, in its own words.
func (s *site) record(ctx context.Context) ([]event, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/admin/record", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking %s for its record: %w", s.plan.name, err)
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking %s for its record: %w", s.plan.name, err)
	}
	defer reply.Body.Close() //nolint:errcheck // all of it was read, or an error is on its way
	body, err := io.ReadAll(io.LimitReader(reply.Body, 16<<20))
	if err != nil || reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking %s for its record: %s, %w", s.plan.name, reply.Status, err)
	}
	var document struct {
		Events []event `json:"events"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, fmt.Errorf("reading the record of %s: %w", s.plan.name, err)
	}
	return document.Events, nil
}
