// Package hookjudge is who hooks ask, in tests, what they are to say: an HTTP server that counts what it was
// asked by the key that the hook gives, and so knows how often each hook of each Operation really ran.
//
// In: requests of hooks. Out: what they say, and the count. It must never count a request that it did not
// answer, nor answer one that it did not count.
package hookjudge

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Asked is one run as the judge saw it.
type Asked struct {
	// Key is "<operation uid>/<hook>".
	Key string `json:"key"`
	// Hook, and on which side it runs.
	Hook string `json:"hook"`
	When string `json:"when"`
	// Operation and Server by name.
	Operation string `json:"operation"`
	Server    string `json:"server"`
	// Count that the script keeps: how often it was told to wait.
	Count int `json:"count"`
	// Job that ended: "", "succeeded" or "failed".
	Job string `json:"job"`
}

// Says is what the hook is to say.
type Says struct {
	// Outcome: done, wait, fail or error.
	Outcome string `json:"outcome"`
	// Message of it, and how long to wait.
	Message string `json:"message"`
	After   string `json:"after"`
}

// Judge of hooks. Safe for concurrent use.
type Judge struct {
	// URL where it is asked.
	URL string

	mu     sync.Mutex
	asked  map[string][]Asked
	all    []Asked
	answer func(Asked) Says
}

// New opens a judge that lets every hook say done, until the test ends.
func New(tb testing.TB) *Judge {
	j := &Judge{asked: map[string][]Asked{}, answer: func(Asked) Says { return Says{Outcome: "done"} }}
	server := httptest.NewServer(http.HandlerFunc(j.serve))
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	j.URL = server.URL
	return j
}

// Answer says from now on what hooks are to say.
func (j *Judge) Answer(answer func(Asked) Says) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.answer = answer
}

// Runs of a hook for an Operation of that UID.
func (j *Judge) Runs(uid, hook string) []Asked {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.asked[uid+"/"+hook])
}

// All that it was asked, in order.
func (j *Judge) All() []Asked {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.all)
}

// Script whose hook asks the judge.
func (j *Judge) Script() string {
	return strings.ReplaceAll(script, "$URL", j.URL)
}

// Address that a Hook must allow for that.
func (j *Judge) Address() string { return strings.TrimPrefix(j.URL, "http://") }

const script = `
function run(ctx)
  local state, job = ctx.state or {}, ""
  if ctx.job then
    job = ctx.job.succeeded and "succeeded" or "failed"
  end
  local answer = http.post("$URL", {body = json.encode({
    key = ctx.key, hook = ctx.hook.name, when = ctx.hook.when, operation = ctx.operation.name, server = ctx.server.name,
    count = state.count or 0, job = job})})
  local says = json.decode(answer.body)
  if says.outcome == "wait" then
    ctx.state.count = (state.count or 0) + 1
    return ctx.wait(says.after, says.message)
  elseif says.outcome == "fail" then
    return ctx.fail(says.message)
  elseif says.outcome == "error" then
    error(says.message)
  end
  return ctx.done()
end
`

func (j *Judge) serve(w http.ResponseWriter, r *http.Request) {
	var asked Asked
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	j.mu.Lock()
	j.asked[asked.Key], j.all = append(j.asked[asked.Key], asked), append(j.all, asked)
	answer := j.answer
	j.mu.Unlock()
	_ = json.NewEncoder(w).Encode(answer(asked)) // who does not hear it asks again
}
