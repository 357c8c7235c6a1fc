package hookjudge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"stargate.io/stargate/policies/hooks"
)

// Direct does what the judge's script does, in this process and without Lua: for tests of the engine that are
// not about how a script is run.
type Direct struct{}

// Compile takes any text but one that says that it is broken.
func (Direct) Compile(name, text string) (*hooks.Script, []hooks.Problem) {
	if strings.Contains(text, "broken") {
		return nil, []hooks.Problem{{Line: 1, Message: "it is broken"}}
	}
	sum := sha256.Sum256([]byte(text))
	return &hooks.Script{Name: name, Text: text, Hash: hex.EncodeToString(sum[:])}, nil
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`)

// Run asks the judge that the text names.
func (Direct) Run(ctx context.Context, call hooks.Call, host hooks.Host) (hooks.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, call.Deadline)
	defer cancel()
	var state struct {
		Count int `json:"count"`
	}
	if len(call.State) > 0 {
		if err := json.Unmarshal(call.State, &state); err != nil {
			return hooks.Result{}, err
		}
	}
	asked := Asked{Key: call.Key, Hook: call.Name, Count: state.Count}
	if hook, ok := call.Context["hook"].(map[string]any); ok {
		asked.When, _ = hook["when"].(string)
	}
	for field, into := range map[string]*string{"operation": &asked.Operation, "server": &asked.Server} {
		if object, ok := call.Context[field].(map[string]any); ok {
			*into, _ = object["name"].(string)
		}
	}
	if job, ok := call.Context["job"].(map[string]any); ok {
		asked.Job = map[bool]string{true: "succeeded", false: "failed"}[job["succeeded"] == true]
	}
	result, verbs := hooks.Result{}, []hooks.VerbDone(nil)
	for _, verb := range call.Verbs {
		answer, err := host.Kubernetes(ctx, verb, nil)
		if err != nil {
			return hooks.Result{Outcome: hooks.Errored, Reason: hooks.ReasonScriptError, Message: err.Error()}, nil
		}
		verbs = append(verbs, hooks.VerbDone{What: "kube." + verb, Result: fmt.Sprint(answer)})
	}
	says, err := ask(ctx, address.FindString(call.Script.Text), asked)
	if err != nil {
		return hooks.Result{Outcome: hooks.Errored, Reason: hooks.ReasonScriptError, Message: err.Error()}, nil
	}
	result.Outcome = map[string]hooks.Outcome{"done": hooks.Done, "wait": hooks.Wait, "fail": hooks.Fail, "error": hooks.Errored}[says.Outcome]
	result.Message, result.Verbs = says.Message, verbs
	if says.Outcome == "error" {
		result.Reason = hooks.ReasonScriptError
	}
	if says.After != "" {
		if result.After, err = time.ParseDuration(says.After); err != nil {
			return hooks.Result{}, err
		}
	}
	result.State = json.RawMessage(fmt.Sprintf(`{"count":%d}`, state.Count+1))
	return result, nil
}

func ask(ctx context.Context, url string, asked Asked) (Says, error) {
	var says Says
	body, err := json.Marshal(asked)
	if err != nil {
		return says, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return says, err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return says, err
	}
	defer response.Body.Close()
	return says, json.NewDecoder(response.Body).Decode(&says)
}
