package proxy

import (
	"maps"
	"net/http"
)

// Freeze holds back the events of every watch, those that begin meanwhile included. Nothing is lost:
// they come after Thaw.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
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

func (p *Proxy) flowing() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.thawed
}

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
	part := make([]byte, 64<<10)
	for {
		n, err := response.Body.Read(part)
		select {
		case <-p.flowing():
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
