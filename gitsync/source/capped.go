package source

import (
	"errors"
	"fmt"
	"io"
)

var errCapped = errors.New("over the cap")

// capped reads so many bytes and no more.
type capped struct {
	r    io.Reader
	left int64
	over bool  // more came than was allowed
	err  error // what ended it
}

// Read, and fail once there is more than allowed.
func (c *capped) Read(p []byte) (int, error) {
	if c.over {
		return 0, errCapped
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if int64(n) > c.left {
		n, c.over = int(c.left), true
		err = errCapped
	}
	c.left -= int64(n)
	if err != nil {
		c.err = err
	}
	return n, err
}

// size for a message.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// shelf holds bytes in pieces of one size, so that growing never copies.
type shelf struct {
	pieces [][]byte
	n      int64
}

const piece = 256 << 10

func (s *shelf) append(b []byte) {
	for len(b) > 0 {
		if s.n%piece == 0 {
			s.pieces = append(s.pieces, make([]byte, 0, min(piece, max(4096, len(b)))))
		}
		last := &s.pieces[len(s.pieces)-1]
		k := min(len(b), piece-len(*last))
		*last = append(*last, b[:k]...)
		b, s.n = b[k:], s.n+int64(k)
	}
}

// view reads a shelf from any place.
type view struct {
	s     *shelf
	at    int64
	limit int64
}

// Read on.
func (v *view) Read(p []byte) (int, error) {
	if v.at >= v.limit {
		return 0, io.EOF
	}
	from := v.s.pieces[v.at/piece][v.at%piece:]
	n := copy(p, from[:min(int64(len(from)), v.limit-v.at)])
	v.at += int64(n)
	return n, nil
}

// Seek to a place.
func (v *view) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += v.at
	case io.SeekEnd:
		offset += v.limit
	}
	if offset < 0 || offset > v.limit {
		return 0, errors.New("seeking out of the pack")
	}
	v.at = offset
	return offset, nil
}
