// Package human shows records to people: lines and tables in place of JSON, times of this machine's zone, and colours
// on a terminal. What others wrote is shown harmless: see [Harmless].
//
// A name in quotes is what a contact calls itself, which anyone can choose; a name without them is the user's own for
// the contact.
package human

import (
	"io"
	"strings"
	"time"

	"sessiontool/lib/record"
)

// Writer shows records. It is not safe for concurrent use.
type Writer struct {
	Out   io.Writer
	Color bool
	// Zone is that of times; nil is this machine's.
	Zone *time.Location

	rows *rows // of a table that is not complete, or nil
}

// Write shows a record. Rows of a table are shown by Flush, or before the first record of another kind, since their
// columns depend on all of them. Everything else is shown at once.
func (w *Writer) Write(v any) error {
	if row, ok := w.row(v); ok {
		if w.rows != nil && w.rows.kind != row.kind {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		if w.rows == nil {
			w.rows = newRows(row.kind, row.head)
		}
		w.rows.add(row.cells)
		return nil
	}
	if err := w.Flush(); err != nil {
		return err
	}
	text, ok := w.event(v)
	if !ok {
		text, ok = w.finding(v)
	}
	if !ok {
		var err error
		if text, err = w.fields(v); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w.Out, text)
	return err
}

// Flush shows the table that is not complete.
func (w *Writer) Flush() error {
	if w.rows == nil {
		return nil
	}
	text := w.rows.text(w.paint)
	w.rows = nil
	_, err := io.WriteString(w.Out, text)
	return err
}

// Problem returns the lines of an error.
func (w *Writer) Problem(e record.Error) string {
	var b strings.Builder
	b.WriteString(w.paint("error", red) + ": " + Harmless(e.Message) + " (" + e.Code + ")\n")
	for _, about := range [][2]string{{"to", e.To}, {"ref", e.Ref}} {
		if about[1] != "" {
			b.WriteString("  " + about[0] + ": " + Harmless(about[1]) + "\n")
		}
	}
	if e.Queued {
		b.WriteString("  the message waits in the outbox\n")
	}
	if e.Hint != "" {
		b.WriteString("  hint: " + e.Hint + "\n")
	}
	return b.String()
}

// The colours, as parameters of the terminal's command.
const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
	amber = "33"
)

// paint colours a text if colours are wanted.
func (w *Writer) paint(text, color string) string {
	if !w.Color || text == "" || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// timeForm is how times are shown.
const timeForm = "2006-01-02 15:04:05"

func (w *Writer) zone() *time.Location {
	if w.Zone == nil {
		return time.Local
	}
	return w.Zone
}

// clock shows a time of a record, and a text that is none as it is.
func (w *Writer) clock(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return Harmless(text)
	}
	return at.In(w.zone()).Format(timeForm)
}

// clockMS shows a time in milliseconds.
func (w *Writer) clockMS(ms int64) string {
	if ms <= 0 {
		return ""
	}
	return time.UnixMilli(ms).In(w.zone()).Format(timeForm)
}
