package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"sessiontool/lib/record"
)

// maxItemBytes bounds one item of input. The largest that is useful, an envelope, has about 100 kB.
const maxItemBytes = 16 << 20

// items reads JSON values from a stream: one per line, several per line, or one on several lines. The values of a list are
// items. A byte order mark at the start is ignored. A value that is not JSON does not end the stream: next returns an error for its first line, and continues with the line after it.
type items struct {
	lines   *bufio.Reader
	line    int    // number of the first line in pending
	pending []byte // whole lines that are not consumed
	skip    bool   // after the first line of a broken value that has several
	done    bool
	begun   bool

	consumed int64 // bytes of the values so far

	listed []listedItem // rest of a list, whose values are items
}

// listedItem is a value of a list with the number of its line.
type listedItem struct {
	value json.RawMessage
	line  int
}

func newItems(in io.Reader) *items {
	return &items{lines: bufio.NewReaderSize(in, 64<<10), line: 1}
}

// next returns the next value and the number of its first line. The error is io.EOF at the end, or that of the stream,
// or wraps ErrBadInput; after ErrBadInput more values may follow.
func (s *items) next() (json.RawMessage, int, error) {
	for {
		if len(s.listed) > 0 {
			item := s.listed[0]
			s.listed = s.listed[1:]
			return item.value, item.line, nil
		}
		s.skipRest()
		s.trim()
		if len(s.pending) == 0 {
			if s.done {
				return nil, s.line, io.EOF
			}
			if err := s.more(); err != nil {
				return nil, s.line, err
			}
			continue
		}
		var value json.RawMessage
		decoder := json.NewDecoder(bytes.NewReader(s.pending))
		err := decoder.Decode(&value)
		switch {
		case err == nil:
			line := s.line
			s.advance(int(decoder.InputOffset()))
			if value[0] != '[' {
				return value, line, nil
			}
			s.listed = list(value, line)
		case errors.Is(err, io.ErrUnexpectedEOF) && !s.done && len(s.pending) < maxItemBytes:
			if err := s.more(); err != nil {
				return nil, s.line, err
			}
		default:
			line := s.line
			s.dropLine()
			s.skip = len(s.pending) > 0
			return nil, line, fmt.Errorf("%w: line %d is not JSON: %s", ErrBadInput, line, JSONProblem(err))
		}
	}
}

// list returns the values of a list that begins on a line.
func list(value json.RawMessage, line int) (listed []listedItem) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	_, err := decoder.Token() // [
	for err == nil && decoder.More() {
		from := decoder.InputOffset()
		var item json.RawMessage
		if err = decoder.Decode(&item); err == nil {
			start := int(decoder.InputOffset()) - len(item)
			listed = append(listed, listedItem{item, line + bytes.Count(value[:max(start, int(from))], []byte{'\n'})})
		}
	}
	return listed // the value is valid, so there was no error
}

// byteOrderMark is what some editors and Windows programs write in front of UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

// trim drops leading white space, and a byte order mark at the start of the stream.
func (s *items) trim() {
	if !s.begun && len(s.pending) > 0 {
		s.pending, s.begun = bytes.TrimPrefix(s.pending, byteOrderMark), true
	}
	s.advance(len(s.pending) - len(bytes.TrimLeft(s.pending, " \t\r\n")))
}

func (s *items) advance(n int) {
	s.consumed += int64(n)
	s.line += bytes.Count(s.pending[:n], []byte{'\n'})
	s.pending = s.pending[n:]
}

// more appends one line to pending. It reads a line beyond maxItemBytes to its end but does not keep it.
func (s *items) more() error {
	for {
		part, err := s.lines.ReadSlice('\n')
		if len(s.pending) <= maxItemBytes {
			s.pending = append(s.pending, part...)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, io.EOF):
			s.done = true
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("reading input: %w", err)
		}
	}
}

// dropLine drops the first pending line.
func (s *items) dropLine() {
	end := bytes.IndexByte(s.pending, '\n') + 1
	if end == 0 {
		end = len(s.pending)
	}
	s.advance(end)
}

// skipRest drops the indented lines and closing brackets of a broken value whose first line was reported. A line that
// starts with anything else is a new item.
func (s *items) skipRest() {
	for s.skip {
		if len(s.pending) == 0 {
			if s.done || s.more() != nil {
				return
			}
			continue
		}
		if strings.IndexByte(" \t}]", s.pending[0]) < 0 {
			s.skip = false
			return
		}
		s.dropLine()
	}
}

// Filter decodes each item of stdin into a T and calls do. It prints an error record in the place of an item that
// fails. It returns ErrStdinTerminal if stdin is a terminal.
func Filter[T any](app *App, do func(T) error) error {
	return eachItem(app, func(item T, where record.Error, err error) error {
		if err == nil {
			err = do(item)
		}
		return app.Settle(err, where)
	})
}

// eachItem calls handle for each item of stdin, with the fields that an error record has about the item, and with the
// error if it cannot be decoded. It ends with the first error of handle or of stdin.
func eachItem[T any](app *App, handle func(item T, where record.Error, err error) error) error {
	return eachItemRead(app, func(int64) {}, handle)
}

// eachItemRead is eachItem that calls took for each item with how many bytes of stdin are consumed.
func eachItemRead[T any](app *App, took func(int64), handle func(item T, where record.Error, err error) error) error {
	if app.Streams.InIsTerminal {
		return ErrStdinTerminal
	}
	stream := newItems(app.Streams.In)
	for {
		value, line, err := stream.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, ErrBadInput) {
			return err
		}
		app.Advance()
		took(stream.consumed)
		var item T
		if err == nil {
			err = decodeItem(value, &item, line)
		}
		where := record.Error{Line: line, Ref: field(value, "ref"), To: field(value, "to")}
		if err := handle(item, where, err); err != nil {
			return err
		}
	}
}

// Settle prints an error record for an item that failed, with the fields of where. It returns the error itself if the
// other items would fail too.
func (app *App) Settle(err error, where record.Error) error {
	if err == nil || isFatal(err) {
		return err
	}
	app.Advance()
	problem := Describe(err)
	problem.Line, problem.Ref, problem.To = where.Line, where.Ref, where.To
	return app.Print(problem)
}

// decodeItem reads a value into item. It ignores unknown fields. It refuses a value that is not UTF-8: decoding would
// replace characters silently.
func decodeItem(value json.RawMessage, item any, line int) error {
	if !utf8.Valid(value) {
		return fmt.Errorf("%w: line %d is not UTF-8", ErrBadInput, line)
	}
	if err := json.Unmarshal(value, item); err != nil {
		return fmt.Errorf("%w: line %d: %s", ErrBadInput, line, JSONProblem(err))
	}
	return nil
}

// field returns a field of a value if it is a text or a number, or the empty string.
func field(value json.RawMessage, name string) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil {
		return ""
	}
	var text record.Word
	if len(object[name]) == 0 || json.Unmarshal(object[name], &text) != nil {
		return ""
	}
	return string(text)
}

// isFatal reports whether the next items would fail too: a signal or the timeout stops the process, or it cannot write,
// or it cannot use its keystore or network at all.
func isFatal(err error) bool {
	switch classify(err) {
	case record.CodeInterrupted, record.CodeTerminated, record.CodeTimeout, record.CodeUnexpected, record.CodeNoNetwork,
		record.CodeBadNetwork, record.CodeKeystoreNotFound, record.CodeAccountNotFound, record.CodeAccountRequired,
		record.CodeWrongPassphrase, record.CodePassphraseRequired, record.CodeCorruptKeystore, record.CodeLocked,
		record.CodeKeystoreOpen, record.CodeBadConfig, record.CodeOutputClosed, record.CodeDiskFull:
		return true
	}
	return false
}

// requestName is an item of input that names an account or a request: a string, or a record with an id or a Session ID.
type requestName string

// UnmarshalJSON reads either form.
func (n *requestName) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*n = requestName(text)
		return nil
	}
	var named struct {
		ID        string `json:"id"`
		From      string `json:"from"`
		SessionID string `json:"session_id"`
	}
	if err := json.Unmarshal(data, &named); err != nil {
		return err
	}
	for _, name := range []string{named.From, named.SessionID, named.ID} {
		if name != "" {
			*n = requestName(name)
			return nil
		}
	}
	return fmt.Errorf("neither a string nor a record with id, from or session_id")
}

// EachName calls do for each name of the arguments or, if there are none, of stdin. If a single argument fails, its
// error is the error of the command. In a batch an error record is printed in its place.
func (app *App) EachName(args []string, do func(name string) error) error {
	switch {
	case len(args) == 0, len(args) == 1 && args[0] == "-":
		return Filter(app, func(name requestName) error { return do(string(name)) })
	case len(args) == 1:
		return do(args[0])
	}
	for _, name := range args {
		if err := app.Settle(do(name), record.Error{Ref: name}); err != nil {
			return err
		}
	}
	return nil
}

// EachNameAhead is [App.EachName] for work that waits for the network: it has several names under way at one time.
func (app *App) EachNameAhead(ctx context.Context, args []string, do func(name string) (Task, error)) error {
	if len(args) == 0 || len(args) == 1 && args[0] == "-" {
		return FilterAhead(ctx, app, app.Parallel(), func(name requestName) (Task, error) { return do(string(name)) })
	}
	parts := make([]Part, len(args))
	for i, name := range args {
		parts[i] = Part{Ref: name, Prepare: func() (Task, error) { return do(name) }}
	}
	return DoParts(ctx, app, app.Parallel(), parts)
}

// onlyDash accepts no argument or "-", which means stdin.
func onlyDash(cmd *cobra.Command, args []string) error {
	if len(args) > 1 || (len(args) == 1 && args[0] != "-") {
		problem := fmt.Errorf("unexpected argument %q", args[0])
		if cmd.Flags().Lookup("text") != nil {
			return fmt.Errorf("%w: a text goes behind --text, and - reads it from stdin", problem)
		}
		return problem
	}
	return nil
}

// noArgs refuses arguments of a command that takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("unexpected argument %q: '%s' takes flags alone", args[0], cmd.CommandPath())
}
