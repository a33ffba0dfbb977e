package commission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/fature/fature/internal/money"
)

// CSVFile is a PayoutAdapter that appends transfers to a file, for people or a
// bank to read. A reference that stands there is not written again, whoever
// wrote it: what was written and not recorded doubles nothing. One process at a
// time may write to a file.
type CSVFile struct {
	lock  sync.Mutex
	file  *os.File
	read  int64                // up to where it was read
	lines map[uuid.UUID]string // by reference
}

const csvHeader = "reference,affiliate_id,amount,currency\n"

// NewCSVFile opens a file of transfers, or makes it. What a crash left of a last
// line is cut off. A file with another header is refused.
func NewCSVFile(path string) (*CSVFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	f := &CSVFile{file: file, lines: map[uuid.UUID]string{}}
	if err := errors.Join(f.catchUp(), syncFolder(path)); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// syncFolder makes a new file outlast a crash of the machine.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	_ = folder.Sync() // not every system has it
	return folder.Close()
}

// Send writes a transfer unless it stands there, and answers the file's name
// when it is on the disk.
func (f *CSVFile) Send(_ context.Context, t Transfer) (string, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if err := f.catchUp(); err != nil {
		return "", err
	}
	line := fmt.Sprintf("%s,%s,%s,%s\n", t.Reference, t.AffiliateID, amountText(t), t.Currency)
	switch known, ok := f.lines[t.Reference]; {
	case ok && known != line:
		return "", fmt.Errorf("%s has the reference %s with other content", f.file.Name(), t.Reference)
	case !ok:
		if err := f.append(line); err != nil {
			return "", err
		}
	}
	// Also what stood there: the one who wrote it may have died before this.
	return filepath.Base(f.file.Name()), f.file.Sync()
}

func (f *CSVFile) append(line string) error {
	if _, err := f.file.WriteAt([]byte(line), f.read); err != nil {
		return err // half of it is cut off by the next one
	}
	return f.catchUp()
}

// catchUp reads what the file has beyond what is known, cuts a torn last line
// off, and gives an empty file its header.
func (f *CSVFile) catchUp() error {
	tail, err := io.ReadAll(io.NewSectionReader(f.file, f.read, 1<<62))
	if err != nil {
		return err
	}
	whole := tail[:bytes.LastIndexByte(tail, '\n')+1]
	if f.read == 0 {
		if !strings.HasPrefix(string(tail), csvHeader) && !strings.HasPrefix(csvHeader, string(tail)) {
			return errors.New("is not a file of transfers: its header is another")
		}
		if len(whole) == 0 {
			whole = []byte(csvHeader)
			if _, err := f.file.WriteAt(whole, 0); err != nil {
				return err
			}
			tail = whole
		}
	}
	for line := range strings.Lines(string(whole)) {
		reference, _, _ := strings.Cut(line, ",")
		if id, err := uuid.Parse(reference); err == nil {
			f.lines[id] = line
		}
	}
	f.read += int64(len(whole))
	if len(whole) < len(tail) {
		return f.file.Truncate(f.read)
	}
	return nil
}

// Close closes the file.
func (f *CSVFile) Close() error { return f.file.Close() }

func amountText(t Transfer) string {
	digits, err := money.Digits(t.Currency)
	if err != nil {
		return t.Amount.String()
	}
	return t.Amount.StringFixed(digits)
}
