package e2e

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
)

// TestRecreatedServer: a Server made anew under an old name is another machine, however it is known
// that the Operation meant the old one.
func TestRecreatedServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// meant makes an Operation, and a Server that it was not meant for; it gives what the
		// controller is started with.
		meant func(*Room, *v1alpha1.Operation) func(*engine.Options)
		words []string
	}{
		{"by the UID that was recorded when it was first held", recordedUID, []string{"server-001", "made anew", "UID"}},
		{"by spec.serverRef.uid", namedUID, []string{"server-001", "made anew", "UID"}},
		{"by the Server being much younger than it", youngerServer, []string{"server-001", "made after"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := NewWorld(t).Room(site.Config{})
			op := r.Repave("repave", 1)
			r.Start(c.meant(r, op))
			r.UntilEnded(op, v1alpha1.OperationCancelled, v1alpha1.ReasonServerRecreated, c.words...)
			r.Unasked()
			server := r.Server(1)
			r.Unclaimed(server)
			if server.Status.State != v1alpha1.ServerUntouched || server.Status.LastOperation != nil {
				t.Errorf("the new Server is %+v", server.Status)
			}
		})
	}
}

func recordedUID(r *Room, op *v1alpha1.Operation) func(*engine.Options) {
	server := r.Server(1)
	server.Spec.Paused = true
	r.Create(server, op)
	stop := r.Start()
	r.UntilHeld(op, v1alpha1.ReasonServerPaused)
	// While nobody looks, so that only the record can tell.
	stop()
	r.DeleteNow(server)
	r.Create(r.Server(1))
	return func(*engine.Options) {}
}

func namedUID(r *Room, op *v1alpha1.Operation) func(*engine.Options) {
	server := r.Server(1)
	r.Create(server)
	op.Spec.ServerRef.UID = string(server.UID)
	r.DeleteNow(server)
	r.Create(r.Server(1), op)
	return func(*engine.Options) {}
}

// youngerServer lets the controller see the Operation as made long ago.
func youngerServer(r *Room, op *v1alpha1.Operation) func(*engine.Options) {
	r.Create(r.Server(1), op)
	return func(options *engine.Options) { options.RESTConfig = wrapped(r.Cluster.Config, agedOperations) }
}

var made, madeLongAgo = []byte(`"creationTimestamp":"20`), []byte(`"creationTimestamp":"19`)

// agedOperations takes a century off every Operation's creation time on its way from the API server,
// and puts it back on the way there.
func agedOperations(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if !strings.Contains(request.URL.Path, "/operations") {
			return next.RoundTrip(request)
		}
		if request.Body != nil {
			body, err := io.ReadAll(request.Body)
			if err != nil {
				return nil, err
			}
			request.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(body, madeLongAgo, made)))
		}
		response, err := next.RoundTrip(request)
		if err == nil {
			response.Body = &agedLines{lines: bufio.NewReader(response.Body), Closer: response.Body}
		}
		return response, err
	})
}

// agedLines reads line by line, which is how a watch tells its events.
type agedLines struct {
	io.Closer
	lines *bufio.Reader
	rest  []byte
}

// Read implements io.Reader.
func (a *agedLines) Read(into []byte) (int, error) {
	if len(a.rest) == 0 {
		line, err := a.lines.ReadBytes('\n')
		if len(line) == 0 {
			return 0, err
		}
		a.rest = bytes.ReplaceAll(line, made, madeLongAgo)
	}
	n := copy(into, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// TestAppliedInOrder: a Server that comes a moment after its Operation, as a folder applied by
// kubectl has it, is the one that was meant.
func TestAppliedInOrder(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	op := r.Repave("repave", 1)
	r.Create(op)
	r.UntilHeld(op, v1alpha1.ReasonServerNotFound, "spec.serverRef.name", "server-001")
	r.Unasked()
	r.Create(r.Server(1))
	r.UntilPhase(op, v1alpha1.OperationSucceeded)
	r.Accepted("server-001", 1)
}
