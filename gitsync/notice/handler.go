package notice

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"net/http"
	"regexp"
	"time"

	"golang.org/x/time/rate"
)

const (
	// mostBytes of a body. GitHub sends up to 25 MB and says so; a push of that size is found within the interval.
	mostBytes = 1 << 20
	// perSecond and burst of notices for one fleet, right or wrong: to check a signature takes a
	// millisecond, and who floods one fleet takes from no other.
	perSecond, burst = 10, 50
	// lanes that fleets are spread over by name, those that are not there too: they are not told apart,
	// and names without end take no memory.
	lanes = 1 << 10
	// bodyTime is how long a body may take.
	bodyTime = 10 * time.Second
)

// Fleet is what must be known of a fleet to take notices for it.
type Fleet struct {
	// Secret that is shared with the git server.
	Secret []byte
	// Follows is the full name of the ref that is followed, for example "refs/heads/main"; empty where
	// any ref may matter.
	Follows string
}

// Fleets are asked about a fleet, and told that it should look.
type Fleets interface {
	// Fleet gives what is known of it; found is false where no notice is taken for that name.
	Fleet(ctx context.Context, name string) (fleet Fleet, found bool, err error)
	// Notice has it look at its repository now.
	// Errors: it cannot be told now; whoever sends should try again.
	Notice(ctx context.Context, name string) error
}

// Handler answers POST /sync/<fleet>.
type Handler struct {
	fleets Fleets

	lanes [lanes]*rate.Limiter
}

// NewHandler gives one.
func NewHandler(fleets Fleets) *Handler {
	h := &Handler{fleets: fleets}
	for i := range h.lanes {
		h.lanes[i] = rate.NewLimiter(perSecond, burst)
	}
	return h
}

var path = regexp.MustCompile(`^/sync/([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)$`)

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	found := path.FindStringSubmatch(r.URL.Path)
	switch {
	case found == nil:
		say(w, http.StatusNotFound, "notices go to /sync/<fleet>")
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		say(w, http.StatusMethodNotAllowed, "a notice is a POST")
	case r.ContentLength > mostBytes:
		say(w, http.StatusRequestEntityTooLarge, "more than 1 MiB")
	default:
		h.take(w, r, found[1])
	}
}

// take a notice for a fleet by name.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, name string) {
	if !h.limiter(name).Allow() {
		w.Header().Set("Retry-After", "1")
		say(w, http.StatusTooManyRequests, "too many notices; the fleet looks by itself within its interval")
		return
	}
	// Where it is not supported, the server's own deadline holds.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBytes))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			say(w, http.StatusRequestEntityTooLarge, "more than 1 MiB")
			return
		}
		say(w, http.StatusBadRequest, "the body did not arrive")
		return
	}
	fleet, found, err := h.fleets.Fleet(r.Context(), name)
	if err != nil {
		again(w)
		return
	}
	if !found {
		fleet = Fleet{}
	}
	if !signed(r.Header, body, fleet.Secret) {
		say(w, http.StatusUnauthorized, "no such fleet, or not signed with its secret")
		return
	}
	h.heard(w, r, name, fleet, body)
}

// heard: the notice is from who knows the secret.
func (h *Handler) heard(w http.ResponseWriter, r *http.Request, name string, fleet Fleet, body []byte) {
	ref, ping := says(r.Header, body)
	switch {
	case ping:
		say(w, http.StatusOK, "pong")
	case !matters(ref, fleet.Follows):
		say(w, http.StatusAccepted, "the fleet follows another ref")
	case h.fleets.Notice(r.Context(), name) != nil:
		again(w)
	default:
		say(w, http.StatusAccepted, "the fleet looks now")
	}
}

func again(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	say(w, http.StatusServiceUnavailable, "try again in a moment; the fleet looks by itself within its interval")
}

func say(w http.ResponseWriter, code int, text string) {
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n") // whoever went away needs no answer
}

// limiter of a fleet's notices.
func (h *Handler) limiter(name string) *rate.Limiter {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(name))
	return h.lanes[sum.Sum32()%lanes]
}

// Server that serves notices and nothing else, with a bound on everything that a client can draw out.
func Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 15 * time.Second,
		IdleTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
	}
}
