package site

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// journal keeps the record in a file, one event a line. A line is there or it is not: one that was cut short by a
// crash is removed when the file is opened, and nobody was answered on its account.
type journal struct {
	file  *os.File
	size  int64
	fsync bool
}

// openJournal opens or makes the record of a folder and gives the events in it.
func openJournal(dir string, fsync bool) (*journal, []Event, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, nil, fmt.Errorf("making the data folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "record.jsonl"), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the folder is the operator's choice
	if err != nil {
		return nil, nil, fmt.Errorf("opening the record: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("locking the record: another site has %s open: %w", dir, err), file.Close())
	}
	events, size, err := readEvents(file)
	if err == nil {
		err = cutAt(file, size)
	}
	if err == nil && fsync {
		err = syncFolder(dir)
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return &journal{file: file, size: size, fsync: fsync}, events, nil
}

// readEvents gives the whole events of a record and the size of what they take.
// Errors: reading fails, or a whole line is not the next event.
func readEvents(from io.Reader) ([]Event, int64, error) {
	var events []Event
	var size int64
	reader := bufio.NewReaderSize(from, 1<<20)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return events, size, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("reading the record: %w", err)
		}
		var event Event
		if err := json.Unmarshal(bytes.TrimSpace(line), &event); err != nil {
			return nil, 0, fmt.Errorf("reading line %d of the record: %w", len(events)+1, err)
		}
		if event.Seq != int64(len(events))+1 {
			return nil, 0, fmt.Errorf("reading line %d of the record: it is numbered %d", len(events)+1, event.Seq)
		}
		events = append(events, event)
		size += int64(len(line))
	}
}

func cutAt(file *os.File, size int64) error {
	if err := file.Truncate(size); err != nil {
		return fmt.Errorf("removing an unfinished line from the record: %w", err)
	}
	if _, err := file.Seek(size, io.SeekStart); err != nil {
		return fmt.Errorf("going to the end of the record: %w", err)
	}
	return nil
}

// append writes one event. After an error the file is as before.
func (j *journal) append(event Event) error {
	line, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	line = append(line, '\n')
	_, err = j.file.Write(line)
	// What a request did not cause to change need not be on disk before it is answered.
	if err == nil && j.fsync && event.Kind != Received {
		err = j.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the record: %w", err), cutAt(j.file, j.size))
	}
	j.size += int64(len(line))
	return nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	err := errors.Join(j.file.Sync(), j.file.Close())
	j.file = nil
	if err != nil {
		return fmt.Errorf("closing the record: %w", err)
	}
	return nil
}

// syncFolder makes a new file's name outlive a power cut.
func syncFolder(dir string) error {
	folder, err := os.Open(dir) //nolint:gosec // the folder is the operator's choice
	if err != nil {
		return fmt.Errorf("opening the data folder: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("syncing the data folder: %w", err)
	}
	return nil
}
