package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// Kind of a frame.
type Kind byte

// The kinds: Run and Reply go to the worker, all others come from it.
const (
	KindRun   Kind = 'r'
	KindReply Kind = 'a'
	KindLog   Kind = 'l'
	KindEvent Kind = 'e'
	KindHTTP  Kind = 'h'
	KindKube  Kind = 'k'
	KindEnd   Kind = 'x'
)

// header is a frame's length, four bytes, and its kind.
const header = 5

// Write a frame in one write, so that a reader never waits for the rest of one that was begun.
func Write(w io.Writer, kind Kind, message any) error {
	payload, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encoding a frame: %w", err)
	}
	if len(payload) > MaxFrame {
		return fmt.Errorf("encoding a frame: %d bytes, more than %d", len(payload), MaxFrame)
	}
	frame := make([]byte, header, header+len(payload))
	binary.BigEndian.PutUint32(frame, uint32(len(payload))) //nolint:gosec // bounded above
	frame[4] = byte(kind)
	if _, err := w.Write(append(frame, payload...)); err != nil {
		return fmt.Errorf("writing a frame: %w", err)
	}
	return nil
}

// Read a frame. Its length is judged before anything is kept of it.
func Read(r io.Reader) (Kind, []byte, error) {
	var head [header]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, fmt.Errorf("reading a frame: %w", err)
	}
	length := binary.BigEndian.Uint32(head[:4])
	if length > MaxFrame {
		return 0, nil, fmt.Errorf("reading a frame: it has %d bytes, more than %d", length, MaxFrame)
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, fmt.Errorf("reading a frame: %w", err)
	}
	return Kind(head[4]), payload, nil
}
