package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ask the DC API something, as a Stargate would.
func (r *running) ask(method, path, body string) (int, []byte) {
	r.t.Helper()
	token, err := os.ReadFile(filepath.Join(r.state, "dc-token"))
	if err != nil {
		r.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, "http://127.0.0.1:8090"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	if method == http.MethodPost {
		request.Header.Set("Idempotency-Key", time.Now().Format(time.RFC3339Nano))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, text
}

// post a job, and give its id.
func (r *running) post(body string) string {
	r.t.Helper()
	status, text := r.ask(http.MethodPost, "/operations", body)
	var accepted struct {
		JobID string `json:"jobId"`
	}
	if err := json.Unmarshal(text, &accepted); err != nil || status != http.StatusAccepted {
		r.t.Fatalf("a job is answered %d: %s", status, text)
	}
	return accepted.JobID
}
