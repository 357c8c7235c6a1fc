package site_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
)

// faults is a proxy in front of a site, that misbehaves on demand.
type faults struct {
	to   http.Handler
	late sync.WaitGroup

	mu      sync.Mutex
	lose    int           // replies to lose; below zero without end
	twice   bool          // deliver what could change something twice
	hang    chan struct{} // closed when replies need not hang any more
	hold    chan struct{} // closed when what is held back may land
	garbage []byte        // answered instead of what is true
}

// mend takes all faults away but what is held back, which lands when it is told to.
func (f *faults) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hang != nil {
		close(f.hang)
	}
	f.lose, f.twice, f.hang, f.hold, f.garbage = 0, false, nil, nil, nil
}

func (f *faults) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// ServeHTTP implements http.Handler.
func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	serve := func() *httptest.ResponseRecorder {
		copied := r.Clone(context.WithoutCancel(r.Context()))
		copied.Body = io.NopCloser(bytes.NewReader(body))
		kept := httptest.NewRecorder()
		f.to.ServeHTTP(kept, copied)
		return kept
	}
	writes := r.Method == http.MethodPost
	f.mu.Lock()
	lose, twice, hang, hold, garbage := writes && f.lose != 0, writes && f.twice, f.hang, f.hold, f.garbage
	if lose {
		f.lose--
	}
	f.mu.Unlock()
	switch {
	case lose:
		serve()
		panic(http.ErrAbortHandler)
	case hang != nil:
		serve()
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case writes && hold != nil:
		f.serveLate(w, r, hold, serve)
	case garbage != nil:
		status := serve().Code
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(min(status, http.StatusAccepted))
		_, _ = w.Write(garbage)
	default:
		kept := serve()
		if twice {
			serve()
		}
		send(w, kept)
	}
}

func (f *faults) serveLate(w http.ResponseWriter, r *http.Request, hold chan struct{}, serve func() *httptest.ResponseRecorder) {
	landed := make(chan *httptest.ResponseRecorder, 1)
	f.late.Go(func() {
		<-hold
		landed <- serve()
	})
	select {
	case kept := <-landed:
		send(w, kept)
	case <-r.Context().Done():
	}
}

func send(w http.ResponseWriter, kept *httptest.ResponseRecorder) {
	for name, values := range kept.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(kept.Code)
	_, _ = w.Write(kept.Body.Bytes())
}
