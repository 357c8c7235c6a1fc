package qemu

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// maxReport bounds one line of the guest, of which a longer one is thrown away: it is written by whoever is root there.
const maxReport = 64 << 10

// Reports reads what the guest writes on its port, line by line, until the machine or ctx ends. The line is only valid
// during the call.
// Errors: nobody listens there; the context's.
func Reports(ctx context.Context, path string, each func(line []byte)) error {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("connecting to the guest's port: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // which ends the reading
	defer func() {
		if stop() {
			_ = conn.Close() // only read
		}
	}()
	reader := bufio.NewReaderSize(conn, maxReport)
	for {
		line, err := reader.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			err = skipLine(reader)
			line = nil
		}
		if err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
			return fmt.Errorf("reading the guest's port: %w", err)
		}
		if err != nil {
			return context.Cause(ctx)
		}
		if len(line) > 1 {
			each(line[:len(line)-1])
		}
	}
}

// skipLine reads on to the end of a line that is too long.
func skipLine(reader *bufio.Reader) error {
	for {
		if _, err := reader.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}
