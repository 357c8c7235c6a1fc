package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
)

// lockedBuffer is a log that several write to.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

// String gives what was written so far.
func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// logTo has a controller log everything that it can.
func logTo(out io.Writer) func(*engine.Options) {
	return func(options *engine.Options) {
		options.Logger = funcr.NewJSON(func(line string) { _, _ = io.WriteString(out, line+"\n") }, funcr.Options{Verbosity: 9})
	}
}

func metricsAt(address string) func(*engine.Options) {
	return func(options *engine.Options) { options.MetricsAddress = address }
}

// freeAddress is one on loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// fetch waits until an address answers 200, and gives what it says.
func fetch(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		body, status, err := get(t, client, url)
		if err == nil && status == http.StatusOK {
			return body
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s answers %d, %v: %s", url, status, err, body)
		}
	}
}

func get(t *testing.T, client *http.Client, url string) (string, int, error) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), response.StatusCode, err
}

// everything that the API server keeps of a room but its Secrets, as JSON.
func everything(r *Room) string {
	r.Helper()
	var all strings.Builder
	for _, list := range []client.ObjectList{&v1alpha1.OperationList{}, &v1alpha1.ServerList{}, &v1alpha1.DatacenterList{},
		&v1alpha1.ProvisioningProfileList{}, &corev1.EventList{}} {
		if err := r.Client.List(r.Context(), list, client.InNamespace(r.Namespace)); err != nil {
			r.Fatal(err)
		}
		text, err := json.Marshal(list)
		if err != nil {
			r.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// TestSurfaces: health, readiness, metrics, profiling and events all answer, and metrics move.
func TestSurfaces(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	metrics, health, pprof := freeAddress(t), freeAddress(t), freeAddress(t)
	r.Start(func(options *engine.Options) {
		options.MetricsAddress, options.HealthAddress, options.PprofAddress = metrics, health, pprof
	})
	for _, url := range []string{"http://" + health + "/healthz", "http://" + health + "/readyz", "http://" + pprof + "/debug/pprof/cmdline"} {
		fetch(t, url)
	}
	ended := fmt.Sprintf(`stargate_operations_ended_total{datacenter=%q,operation="repave",phase="Succeeded"}`, r.Namespace)
	before := metric(t, fetch(t, "http://"+metrics+"/metrics"), ended)
	op := r.Repave("repave", 1)
	r.Create(r.Server(1), op)
	succeeds(r, op)
	r.Eventually("the metric to move", func() bool {
		return metric(t, fetch(t, "http://"+metrics+"/metrics"), ended) == before+1
	})
	r.Eventually("the events of an Operation", func() bool {
		events := &corev1.EventList{}
		if err := r.Client.List(r.Context(), events, client.InNamespace(r.Namespace)); err != nil {
			r.Fatal(err)
		}
		told := map[string]bool{}
		for i := range events.Items {
			if events.Items[i].InvolvedObject.UID == op.UID {
				told[events.Items[i].Reason] = true
			}
		}
		return told[v1alpha1.ReasonDispatched] && told[v1alpha1.ReasonSucceeded]
	})
}

// metric reads one series; zero where there is none yet.
func metric(t *testing.T, text, series string) float64 {
	t.Helper()
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, series+" "); found {
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return number
		}
	}
	return 0
}
