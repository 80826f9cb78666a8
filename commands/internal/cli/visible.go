package cli

import (
	"io"

	"sessiontool/commands/internal/human"
)

// Visible returns text with every character escaped on which a terminal acts: see [human.Visible].
func Visible(text string) string { return human.Visible(text) }

// visibleWriter writes lines of the log with their hidden characters escaped: errors quote what strangers sent.
type visibleWriter struct{ out io.Writer }

// Write implements io.Writer.
func (w visibleWriter) Write(line []byte) (int, error) {
	if _, err := io.WriteString(w.out, human.EscapeHidden(string(line))); err != nil {
		return 0, err
	}
	return len(line), nil
}
