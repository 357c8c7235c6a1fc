package site

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	// header is the journal's first line; another version of it is refused rather than misread.
	header = "stargate-simulator-jobs 1\n"
	// maxLine bounds a line: a request's body, with its documents coded anew.
	maxLine = 32 << 20
	// spare is what a journal may grow by, beyond twice what it last came to, before it is written anew.
	spare = 8 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn is the error of a last line that a crash cut short.
var errTorn = errors.New("the line is not whole")

// journal keeps events in a file, one a line, each with its checksum. An event is on disk before append returns. A last
// line that is not whole was never answered for and is dropped; damage before it is not ours to guess about.
//
//	jobs/lock           held while the journal is open
//	jobs/journal        header, then lines of "CRC32C LENGTH JSON"
//	jobs/journal.new    a journal being written anew, until it is renamed
type journal struct {
	dir  string
	lock *os.File
	file *os.File
	size int64
	base int64 // size when it was last written anew
	// broken is set once it cannot be told what is on disk. Only a restart, which reads it, mends that.
	broken error
}

// openJournal opens or makes the journal of a folder, and gives its events to each.
// Errors: the folder cannot be made, read or written; another process has it; a line before the last is damaged.
func openJournal(dir string, each func(event) error) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the jobs' folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the folder is the operator's choice
	if err != nil {
		return nil, fmt.Errorf("opening the jobs' lock: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the jobs: another simulator has %s open: %w", dir, err), lock.Close())
	}
	j := &journal{dir: dir, lock: lock}
	if err := j.open(each); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

func (j *journal) path() string { return filepath.Join(j.dir, "journal") }

func (j *journal) open(each func(event) error) error {
	file, err := os.OpenFile(j.path(), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return j.rewrite(nil)
	}
	if err != nil {
		return fmt.Errorf("opening the journal: %w", err)
	}
	j.file = file
	size, err := readEvents(file, each)
	if err != nil {
		return fmt.Errorf("reading the journal %s: %w: what it says of jobs cannot be relied on; "+
			"restore the file, or move the folder away once no Operation of this site is live", j.path(), err)
	}
	j.size, j.base = size, size
	return cutAt(file, size)
}

// readEvents gives each whole event of a journal, and the size of what they take with the header.
// Errors: reading fails, the header is another, a line before the last is damaged, each refuses an event.
func readEvents(from io.Reader, each func(event) error) (int64, error) {
	reader := bufio.NewReaderSize(from, 1<<20)
	line, err := readLine(reader)
	if err != nil || string(line) != header {
		return 0, errors.Join(fmt.Errorf("line 1: it is not %q", header), err)
	}
	size := int64(len(line))
	for number := 2; ; number++ {
		line, err := readLine(reader)
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return size, nil
		}
		var e event
		if err == nil || errors.Is(err, io.EOF) {
			e, err = parseLine(line)
		}
		if err == nil {
			err = each(e)
		}
		if errors.Is(err, errTorn) && atEnd(reader) {
			return size, nil
		}
		if err != nil {
			return 0, fmt.Errorf("line %d: %w", number, err)
		}
		size += int64(len(line))
	}
}

// readLine gives a line with its end, or what there is of it with io.EOF.
func readLine(reader *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := reader.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("it is longer than %d bytes", maxLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func atEnd(reader *bufio.Reader) bool {
	_, err := reader.Peek(1)
	return errors.Is(err, io.EOF)
}

// parseLine reads a line: eight digits of its JSON's checksum, eight of its length, the JSON.
// Errors: errTorn for what the beginning of a line may be that was being written; others for what no crash makes.
func parseLine(line []byte) (event, error) {
	text, whole := bytes.CutSuffix(line, []byte("\n"))
	if len(text) < prefix {
		return event{}, errTorn
	}
	sum, badSum := strconv.ParseUint(string(text[:8]), 16, 32)
	length, badLength := strconv.ParseUint(string(text[9:17]), 16, 32)
	text = text[prefix:]
	if badLength == nil && uint64(len(text)) > length {
		return event{}, fmt.Errorf("it has %d bytes, and says %d", len(text), length)
	}
	if !whole || line[8] != ' ' || line[17] != ' ' || badSum != nil || badLength != nil || uint64(len(text)) != length || uint32(sum) != crc32.Checksum(text, castagnoli) {
		return event{}, errTorn
	}
	var e event
	if err := json.Unmarshal(text, &e); err != nil {
		return event{}, fmt.Errorf("it is whole, and cannot be read: %w", err)
	}
	return e, nil
}

// prefix of a line: checksum, blank, length, blank.
const prefix = 18

func lineOf(e event) ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encoding an event: %w", err)
	}
	if len(text) > maxLine-prefix-1 {
		return nil, fmt.Errorf("encoding an event: %d bytes are more than the journal takes", len(text))
	}
	return fmt.Appendf(nil, "%08x %08x %s\n", crc32.Checksum(text, castagnoli), len(text), text), nil
}

// append puts one event on disk. After an error the journal is as before, unless it is broken.
func (j *journal) append(e event) error {
	if j.broken != nil {
		return j.broken
	}
	line, err := lineOf(e)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(line); err != nil {
		if undone := errors.Join(cutAt(j.file, j.size), j.file.Sync()); undone != nil {
			j.broken = fmt.Errorf("the journal is broken until the simulator is started again: %w", undone)
		}
		return fmt.Errorf("writing the journal: %w", err)
	}
	if err := j.file.Sync(); err != nil {
		// What a failed sync left on disk cannot be told, nor asked for again.
		j.broken = fmt.Errorf("the journal is broken until the simulator is started again: %w", err)
		return fmt.Errorf("syncing the journal: %w", err)
	}
	j.size += int64(len(line))
	return nil
}

// grown tells whether the journal is worth being written anew.
func (j *journal) grown() bool { return j.broken == nil && j.size > 2*j.base+spare }

// rewrite puts these events in place of all that is in the journal. After an error it is as before.
func (j *journal) rewrite(events []event) error {
	path := j.path() + ".new"
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // a name of ours in the operator's folder
	if err != nil {
		return fmt.Errorf("writing the journal anew: %w", err)
	}
	size, err := writeEvents(file, events)
	if err == nil {
		err = os.Rename(path, j.path())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the journal anew: %w", err), file.Close())
	}
	old := j.file
	j.file, j.size, j.base = file, size, size
	if old != nil {
		_ = old.Close() // nothing is kept in it any more
	}
	if err := syncFolder(j.dir); err != nil {
		// A power cut would bring the old journal back, without what comes now.
		j.broken = fmt.Errorf("the journal is broken until the simulator is started again: %w", err)
		return j.broken
	}
	return nil
}

func writeEvents(file *os.File, events []event) (int64, error) {
	writer := bufio.NewWriterSize(file, 1<<20)
	size := int64(len(header))
	_, err := writer.WriteString(header)
	for _, e := range events {
		if err != nil {
			break
		}
		var line []byte
		if line, err = lineOf(e); err == nil {
			_, err = writer.Write(line)
			size += int64(len(line))
		}
	}
	if err == nil {
		err = writer.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	return size, err
}

func (j *journal) close() error {
	var err error
	if j.file != nil {
		err = j.file.Close()
	}
	if err = errors.Join(err, j.lock.Close()); err != nil {
		return fmt.Errorf("closing the journal: %w", err)
	}
	return nil
}

func cutAt(file *os.File, size int64) error {
	if err := file.Truncate(size); err != nil {
		return fmt.Errorf("removing an unfinished line from the journal: %w", err)
	}
	if _, err := file.Seek(size, io.SeekStart); err != nil {
		return fmt.Errorf("going to the end of the journal: %w", err)
	}
	return nil
}

// syncFolder makes a file's new name outlive a power cut.
func syncFolder(dir string) error {
	folder, err := os.Open(dir) //nolint:gosec // the folder is the operator's choice
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
