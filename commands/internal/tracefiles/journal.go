package tracefiles

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sessiontool/lib/trace"
)

const (
	// maxJournal is the size of a journal in bytes beyond which it becomes the old one, which is deleted with it.
	maxJournal = 1 << 20
	// journalKeeps is how long traces are shown.
	journalKeeps = 14 * 24 * time.Hour

	journalName    = "trace.journal"
	oldJournalName = "trace.journal.old"
)

// Journal is the journal in the folder of a keystore.
type Journal struct {
	Dir    string
	Key    [trace.KeySize]byte
	Random io.Reader
}

// Append adds the traces that are worth it. A trace that does not fit is left out; the error then says so.
func (j Journal) Append(traces []trace.Trace) error {
	var entries []byte
	var errs []error
	for _, t := range traces {
		if !worthKeeping(t) {
			continue
		}
		longer, err := trace.AppendEntry(entries, j.Key, j.Random, t)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		entries = longer
	}
	if len(entries) > 0 {
		errs = append(errs, j.write(entries))
	}
	return errors.Join(errs...)
}

// worthKeeping is false for a poll that found nothing and did not fail.
func worthKeeping(t trace.Trace) bool {
	if t.Spans[0].Name != trace.SpanPoll || t.Spans[0].State == trace.StateFailed || len(t.Find(trace.SpanSend)) > 0 {
		return true
	}
	opened, failed := t.Opened()
	return opened+failed > 0
}

// write appends entries in one write, which other processes do not interrupt. A journal that has its size becomes the
// old one first.
func (j Journal) write(entries []byte) error {
	path := filepath.Join(j.Dir, journalName)
	if info, err := os.Stat(path); err == nil && info.Size() > maxJournal {
		if err := os.Rename(path, filepath.Join(j.Dir, oldJournalName)); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(entries)
	return errors.Join(err, file.Close())
}

// Read returns the traces that are not too old at now, the oldest first. damaged counts entries that do not open.
func (j Journal) Read(now time.Time) (traces []trace.Trace, damaged int, err error) {
	for _, name := range []string{oldJournalName, journalName} {
		content, err := os.ReadFile(filepath.Join(j.Dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, damaged, fmt.Errorf("journal of traces: %w", err)
		}
		read, bad := trace.ReadJournal(content, j.Key)
		damaged += bad
		for _, t := range read {
			if now.Sub(t.Spans[0].Start) <= journalKeeps {
				traces = append(traces, t)
			}
		}
	}
	return traces, damaged, nil
}
