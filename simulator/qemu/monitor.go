package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
)

const (
	// maxLine bounds one message of QEMU; query-qmp-schema, the longest known, takes 200 KiB.
	maxLine = 4 << 20
	// patience is how long QEMU may take to greet, and to answer a command whose context says nothing shorter. A monitor
	// that serves somebody else does not greet.
	patience = 10 * time.Second
	// keptEvents are kept for whoever reads them late. What is dropped beyond that is the oldest: an event says that
	// something is worth a look, and what is so is asked for.
	keptEvents = 256
)

// Refusal is QEMU's own answer to a command that it does not carry out.
type Refusal struct {
	Command string
	Class   string `json:"class"`
	Desc    string `json:"desc"`
}

func (r *Refusal) Error() string { return fmt.Sprintf("QEMU refuses %s: %.200s", r.Command, r.Desc) }

// Monitor is a connection to a machine's QMP socket, of which there can be one at a time. Its methods are safe for
// concurrent use, and end by their context or by patience.
type Monitor struct {
	conn   net.Conn
	events chan qmp.Event
	done   chan struct{} // closed when nothing more is read

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan message
}

// message is anything that QEMU says.
type message struct {
	ID     *uint64         `json:"id"`
	Return json.RawMessage `json:"return"`
	Error  *Refusal        `json:"error"`
	Event  string          `json:"event"`
}

// request is a command that can be told from others by its answer.
type request struct {
	qmp.Command
	ID uint64 `json:"id"`
}

// Dial connects to a monitor.
// Errors: nobody listens there, which is so when the machine has ended; it does not greet within patience.
func Dial(ctx context.Context, path string) (*Monitor, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("connecting to the monitor: %w", err)
	}
	m := &Monitor{conn: conn, events: make(chan qmp.Event, keptEvents), done: make(chan struct{}), waiting: map[uint64]chan message{}}
	reader := bufio.NewScanner(conn)
	reader.Buffer(nil, maxLine)
	// The end of the context is the end of the greeting.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	if !reader.Scan() {
		stop()
		return nil, errors.Join(fmt.Errorf("connecting to the monitor: it does not greet; is somebody else connected to it? %w", scanned(reader)), conn.Close())
	}
	if !stop() {
		return nil, errors.Join(fmt.Errorf("connecting to the monitor: %w", context.Cause(ctx)), conn.Close())
	}
	go m.read(reader)
	if err := m.Run(ctx, "qmp_capabilities", nil, nil); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// scanned gives why a scanner ended.
func scanned(reader *bufio.Scanner) error {
	if err := reader.Err(); err != nil {
		return err
	}
	return io.EOF
}

// read hands out what comes until nothing does.
func (m *Monitor) read(reader *bufio.Scanner) {
	defer close(m.done)
	defer close(m.events)
	for reader.Scan() {
		var got message
		if err := json.Unmarshal(reader.Bytes(), &got); err != nil {
			continue // what is no message is nobody's answer
		}
		if got.Event != "" {
			m.happened(reader.Bytes())
			continue
		}
		m.answered(got)
	}
}

func (m *Monitor) happened(line []byte) {
	var event qmp.Event
	if err := json.Unmarshal(line, &event); err != nil {
		return // an event of a shape that nobody knows tells nothing
	}
	for {
		select {
		case m.events <- event:
			return
		default:
		}
		select {
		case <-m.events:
		default:
		}
	}
}

// answered hands an answer to whoever still waits for it.
func (m *Monitor) answered(got message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if got.ID == nil {
		return
	}
	if answer, ok := m.waiting[*got.ID]; ok {
		delete(m.waiting, *got.ID)
		answer <- got
	}
}

// Events of the machine. The channel is closed when the connection ends.
func (m *Monitor) Events() <-chan qmp.Event { return m.events }

// Close the connection. The machine goes on.
func (m *Monitor) Close() error {
	err := m.conn.Close()
	<-m.done
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("closing the monitor: %w", err)
	}
	return nil
}

// Run a command, and decode what it gives into result unless that is nil.
// Errors: *Refusal; ErrGone when the connection has ended; the context's, after which the command may still be carried
// out.
func (m *Monitor) Run(ctx context.Context, command string, arguments, result any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, id, err := m.send(ctx, command, arguments)
	if err != nil {
		return fmt.Errorf("asking QEMU to %s: %w", command, err)
	}
	select {
	case got := <-answer:
		return decoded(command, got, result)
	case <-m.done:
		// The answer to quit and the end come together.
		select {
		case got := <-answer:
			return decoded(command, got, result)
		default:
			return fmt.Errorf("asking QEMU to %s: %w", command, ErrGone)
		}
	case <-ctx.Done():
		m.mu.Lock()
		delete(m.waiting, id)
		m.mu.Unlock()
		return fmt.Errorf("asking QEMU to %s: no answer: %w", command, context.Cause(ctx))
	}
}

// send writes a command, and gives where its answer comes.
func (m *Monitor) send(ctx context.Context, command string, arguments any) (<-chan message, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next++
	id, answer := m.next, make(chan message, 1)
	line, err := json.Marshal(request{Command: qmp.Command{Execute: command, Args: arguments}, ID: id})
	if err != nil {
		return nil, 0, err
	}
	deadline, _ := ctx.Deadline() // Run sets one
	if err := m.conn.SetWriteDeadline(deadline); err != nil {
		return nil, 0, ErrGone
	}
	if _, err := m.conn.Write(append(line, '\n')); err != nil {
		// Half a command leaves nothing to go on with.
		_ = m.conn.Close()
		return nil, 0, errors.Join(ErrGone, err)
	}
	m.waiting[id] = answer
	return answer, id, nil
}

func decoded(command string, got message, result any) error {
	if got.Error != nil {
		got.Error.Command = command
		return got.Error
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(got.Return, result); err != nil {
		return fmt.Errorf("reading what QEMU says to %s: %w", command, err)
	}
	return nil
}
