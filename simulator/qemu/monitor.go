package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
	"golang.org/x/sys/unix"
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
	conn   *net.UnixConn
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
	dialled, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("connecting to the monitor: %w", err)
	}
	conn, _ := dialled.(*net.UnixConn) // of the network unix there is no other
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
	return m.run(ctx, command, arguments, nil, result)
}

// give QEMU an open file, and learn the set that it is in.
func (m *Monitor) give(ctx context.Context, file *os.File, set any) error {
	return m.run(ctx, "add-fd", nil, file, set)
}

// run a command, with which a file goes unless it is nil.
func (m *Monitor) run(ctx context.Context, command string, arguments any, file *os.File, result any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, id, err := m.send(ctx, command, arguments, file)
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
func (m *Monitor) send(ctx context.Context, command string, arguments any, file *os.File) (<-chan message, uint64, error) {
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
	if err := m.write(append(line, '\n'), file); err != nil {
		// Half a command leaves nothing to go on with.
		_ = m.conn.Close()
		return nil, 0, errors.Join(ErrGone, err)
	}
	m.waiting[id] = answer
	return answer, id, nil
}

// write a line, and a descriptor with it. The descriptor goes with the first byte.
func (m *Monitor) write(line []byte, file *os.File) error {
	if file != nil {
		n, _, err := m.conn.WriteMsgUnix(line, unix.UnixRights(int(file.Fd())), nil)
		if err != nil {
			return err
		}
		line = line[n:]
	}
	_, err := m.conn.Write(line)
	return err
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
