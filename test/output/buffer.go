// Package output keeps what a program says while a test reads it.
//
// In: the writes of a process, as its standard output and error. Out: text, whole or its end. It must never be waited on:
// a test polls, and says what it waits for.
package output

import (
	"bytes"
	"sync"
)

// Buffer is written by one and read by another. Its zero value is empty.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String gives all that was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Tail gives the last 8 KiB, for a failure to show.
func (b *Buffer) Tail() string {
	text := b.String()
	return text[max(0, len(text)-8<<10):]
}
