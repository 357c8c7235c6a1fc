package notice

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// says what a notice is about: the ref that was pushed, empty where it does not say.
func says(header http.Header, body []byte) (ref string, ping bool) {
	switch {
	case header.Get("X-GitHub-Event") == "ping":
		return "", true
	case len(body) == 0:
		return "", false
	}
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err == nil && kind == "application/x-www-form-urlencoded" {
		// GitHub sends the JSON as a form where it is told to.
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return "", false
		}
		body = []byte(form.Get("payload"))
	}
	var push struct {
		Ref string `json:"ref"`
	}
	if json.Unmarshal(body, &push) != nil {
		return "", false
	}
	return push.Ref, false
}

// matters tells whether a pushed ref can have moved what a fleet follows. When in doubt it does: a look
// costs one round trip.
func matters(ref, follows string) bool {
	return ref == "" || follows == "" || ref == follows || !strings.HasPrefix(ref, "refs/")
}
