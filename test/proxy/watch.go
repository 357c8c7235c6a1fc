package proxy

import (
	"maps"
	"net/http"
	"slices"
)

// Freeze holds back the events of every watch, those that begin meanwhile included. Nothing is lost:
// they come after Thaw.
func (p *Proxy) Freeze() { p.FreezeOnly() }

// FreezeOnly does the same to the watches of some resources; of none named, to all.
func (p *Proxy) FreezeOnly(resources ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = resources
	select {
	case <-p.thawed:
		p.thawed = make(chan struct{})
	default: // frozen already
	}
}

// Thaw lets watches flow again.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.thawed:
	default:
		close(p.thawed)
	}
}

// flowing gives a channel that is closed while watches of a resource flow.
func (p *Proxy) flowing(resource string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.frozen) > 0 && !slices.Contains(p.frozen, resource) {
		return always
	}
	return p.thawed
}

var always = func() <-chan struct{} {
	closed := make(chan struct{})
	close(closed)
	return closed
}()

// watch hands events on as they come, as long as watches flow.
func (p *Proxy) watch(w http.ResponseWriter, r *http.Request) {
	response, err := p.transport.RoundTrip(p.request(r.Context(), r, nil))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close()
	maps.Copy(w.Header(), response.Header)
	w.WriteHeader(response.StatusCode)
	controller := http.NewResponseController(w)
	if controller.Flush() != nil {
		return
	}
	resource := p.read(r).Resource
	part := make([]byte, 64<<10)
	for {
		n, err := response.Body.Read(part)
		select {
		case <-p.flowing(resource):
		case <-r.Context().Done():
			return
		case <-p.closing:
			return
		}
		if _, failed := w.Write(part[:n]); failed != nil || err != nil || controller.Flush() != nil {
			return
		}
	}
}
