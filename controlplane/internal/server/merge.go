package server

import (
	"errors"
	"net"
	"sync"
)

// merged accepts from several listeners as if they were one, whose address is that of the first.
type merged struct {
	net.Listener
	all      []net.Listener
	accepted chan accepted
	closed   chan struct{}
	close    func() error
}

type accepted struct {
	conn net.Conn
	err  error
}

func merge(listeners ...net.Listener) *merged {
	m := &merged{Listener: listeners[0], all: listeners, accepted: make(chan accepted), closed: make(chan struct{})}
	m.close = sync.OnceValue(func() error {
		close(m.closed)
		var errs []error
		for _, l := range m.all {
			errs = append(errs, l.Close())
		}
		return errors.Join(errs...)
	})
	for _, l := range listeners {
		go m.pass(l)
	}
	return m
}

// pass hands on what one listener accepts. What went wrong is handed on too, and
// tried again only once somebody has taken it: how fast is for the server to say.
func (m *merged) pass(l net.Listener) {
	for {
		conn, err := l.Accept()
		select {
		case m.accepted <- accepted{conn, err}:
		case <-m.closed:
			if conn != nil {
				conn.Close()
			}
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// Accept implements net.Listener.
func (m *merged) Accept() (net.Conn, error) {
	select {
	case a := <-m.accepted:
		return a.conn, a.err
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It closes all of them.
func (m *merged) Close() error { return m.close() }
