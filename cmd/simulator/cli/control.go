package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"stargate.io/stargate/simulator"
)

// controlName is the socket in the state folder on which a running simulator takes commands. Whoever may open it may do
// everything, so only the folder's owner may.
const controlName = "control.sock"

const (
	// maxControl bounds a request and an answer.
	maxControl = 8 << 20
	// controlPatience is how long a command may take.
	controlPatience = 2 * time.Minute
)

// errNotRunning says that no simulator runs on the state folder.
var errNotRunning = errors.New("no simulator runs on this state folder: start it with sudo simulator")

// park is what commands are carried out on.
type park interface {
	List() []simulator.Status
	Delete(ctx context.Context, name string) error
	Hurt(ctx context.Context, name, kind string) error
}

// serveControl takes commands until ctx ends.
func serveControl(ctx context.Context, state string, machines park) error {
	path := filepath.Join(state, controlName)
	// The folder's lock is held, so a socket that is there is a dead simulator's.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a control socket: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("making the control socket: %w", err)
	}
	server := &http.Server{
		Handler: controlRoutes(machines), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: controlPatience, MaxHeaderBytes: 16 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the control socket: %w", err)
	}
	return nil
}

func controlRoutes(machines park) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /machines", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(rowsOf(machines.List())) // the client that is gone is not told
	})
	mux.HandleFunc("DELETE /machines/{name}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, machines.Delete(r.Context(), r.PathValue("name")))
	})
	mux.HandleFunc("POST /machines/{name}/{fault}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, machines.Hurt(r.Context(), r.PathValue("name"), r.PathValue("fault")))
	})
	return http.MaxBytesHandler(mux, maxControl)
}

// answer a command: an error is told as it is, for people.
func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// tell a running simulator something.
// Errors: errNotRunning; what the simulator says.
func (a *app) tell(ctx context.Context, method, path string) ([]byte, error) {
	client := &http.Client{Timeout: controlPatience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", filepath.Join(a.state, controlName))
		},
	}}
	request, err := http.NewRequestWithContext(ctx, method, "http://simulator"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("asking the simulator: %w", err)
	}
	response, err := client.Do(request)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, errNotRunning
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("asking the simulator: %w: it belongs to root: use sudo", err)
	case err != nil:
		return nil, fmt.Errorf("asking the simulator: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(response.Body, maxControl))
	if err != nil {
		return nil, fmt.Errorf("reading the simulator's answer: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return nil, errors.New(strings.TrimSpace(string(body)))
	}
	return body, nil
}
