package bmc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxBody bounds a request's body.
const maxBody = 64 << 10

func (f *fault) send(w http.ResponseWriter) {
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Redfish"`)
	}
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	type body struct {
		Code     string    `json:"code"`
		Message  string    `json:"message"`
		Extended []message `json:"@Message.ExtendedInfo"`
	}
	encoded, _ := json.Marshal(map[string]body{"error": {f.messages[0].ID, f.messages[0].Text, f.messages}}) // texts only
	send(w, f.status, encoded)
}

func send(w http.ResponseWriter, status int, encoded []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(encoded)))
	w.WriteHeader(status)
	_, _ = w.Write(encoded) //nolint:gosec // it is JSON, and said to be; a client that has gone is told nothing
}

// encode gives a resource with its ETag, which names all that is in it.
func encode(resource any) (encoded []byte, etag string, err error) {
	plain, err := json.Marshal(resource)
	if err != nil {
		return nil, "", fmt.Errorf("encoding a resource: %w", err)
	}
	sum := sha256.Sum256(plain)
	etag = strconv.Quote(hex.EncodeToString(sum[:8]))
	tag, _ := json.Marshal(etag) // a string can be encoded
	// Every resource begins with its @odata.id, so the object is never empty.
	return bytes.Join([][]byte{[]byte(`{"@odata.etag":`), tag, []byte(","), plain[1:]}, nil), etag, nil
}

// show answers with a resource, or that the client has it already.
func show(w http.ResponseWriter, r *http.Request, status int, resource any) {
	encoded, etag, err := encode(resource)
	if err != nil {
		faultOf(err).send(w)
		return
	}
	w.Header().Set("ETag", etag)
	if r.Method == http.MethodGet && matches(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	send(w, status, encoded)
}

// matches tells whether a list of ETags, as a header has it, names one.
func matches(header, etag string) bool {
	for _, named := range strings.Split(header, ",") {
		named = strings.TrimPrefix(strings.TrimSpace(named), "W/")
		if named == "*" || named == etag {
			return true
		}
	}
	return false
}

// unchanged refuses a change for which the client had another state of the resource in mind.
func unchanged(r *http.Request, resource any) *fault {
	wanted := r.Header.Get("If-Match")
	if wanted == "" {
		return nil
	}
	_, etag, err := encode(resource)
	if err != nil {
		return faultOf(err)
	}
	if !matches(wanted, etag) {
		return say(http.StatusPreconditionFailed, "PreconditionFailed", "the resource has changed since: its ETag is "+etag, "read it again, then repeat the request")
	}
	return nil
}

// read gives the members of a request's body; none for an empty body.
func read(w http.ResponseWriter, r *http.Request) (map[string]json.RawMessage, *fault) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, malformed(err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, malformed(errors.New("it is not a JSON object"))
	}
	return members, nil
}
