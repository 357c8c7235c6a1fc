package hooktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"

	"stargate.io/stargate/policies/hooks"
)

// Recording is what a single run sees and is answered, as people write it: a case without what is wanted of it.
type Recording struct {
	Context map[string]any `yaml:"context,omitempty"`
	// State that an earlier wait left.
	State map[string]any `yaml:"state,omitempty"`
	Key   string         `yaml:"key,omitempty"`
	// Now is where the clock stands.
	Now      *time.Time `yaml:"now,omitempty"`
	Deadline Duration   `yaml:"deadline,omitempty"`
	// HTTP and Kube are the answers, in their order.
	HTTP []Exchange `yaml:"http,omitempty"`
	Kube []Verb     `yaml:"kube,omitempty"`
}

// ReadRecording of YAML or JSON.
func ReadRecording(text []byte) (*Recording, error) {
	recording := &Recording{}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(recording); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := decoder.Decode(&Recording{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("a recording is one document")
	}
	return recording, nil
}

// Over puts a recording over what is known of a run: members of its context over those, and its state and key in
// place of those, where it has any.
func (r *Recording) Over(known map[string]any, state json.RawMessage, key string) (map[string]any, json.RawMessage, string) {
	if len(r.State) > 0 {
		state = json.RawMessage(text(r.State))
	}
	if r.Key != "" {
		key = r.Key
	}
	return merged(known, r.Context), state, key
}

// Once is a run that was made, with what the recording did not foresee.
type Once struct {
	RunReport
	// Unforeseen are requests and calls that the recording has no answer for, and answers that nothing asked for.
	Unforeseen []string
}

// RunOnce runs a script as a case does, answered by a recording. Live lets http go where the call allows it to; then the
// clock goes on. Kubernetes is never reached.
func RunOnce(ctx context.Context, pool *hooks.Pool, call hooks.Call, recording *Recording, live bool) (*Once, error) {
	if recording.Deadline > 0 {
		call.Deadline = time.Duration(recording.Deadline)
	}
	now := beginning
	if recording.Now != nil {
		now = *recording.Now
	}
	around := &outside{whose: "recording", now: now, http: recording.HTTP, kube: recording.Kube}
	var host hooks.Host = around
	if live {
		host = struct{ hooks.Host }{around} // which has no HTTP of its own
	}
	result, err := pool.Run(ctx, call, host)
	if err != nil {
		return nil, fmt.Errorf("running hook %s: %w", call.Name, err)
	}
	around.unused()
	return &Once{RunReport: RunReport{result, call.Deadline}, Unforeseen: around.failed}, nil
}
