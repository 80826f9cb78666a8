package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"sync"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/term"

	"sessiontool/lib/record"
)

// Streams are the streams of a run, with facts about them and the other inputs from outside.
type Streams struct {
	In            io.Reader
	Out           io.Writer
	Err           io.Writer
	InIsTerminal  bool
	OutIsTerminal bool
	ErrIsTerminal bool
	Env           func(name string) string
	// OutClosed says that there is no stdout: writes are lost without an error.
	OutClosed bool
	// UntilSignal returns a context that a signal to the process ends too. If it is nil, signals do not end the run.
	UntilSignal func(context.Context) context.Context
	// CommitHook is called around every commit of the keystore, so that tests can kill the process there.
	CommitHook func(stage string)
	// Now is this machine's clock; nil means time.Now. Tests set it wrong.
	Now func() time.Time
}

// System returns the streams and signals of the process.
func System() Streams {
	return Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv,
		InIsTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		OutIsTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		OutClosed:     stdoutClosed(),
		UntilSignal:   untilSignal,
	}
}

// interruptible is a file, such as stdin, whose Read returns when ctx ends.
type interruptible struct {
	ctx  context.Context
	file *os.File
}

// Read implements io.Reader.
func (i interruptible) Read(data []byte) (int, error) {
	if err := awaitInput(i.ctx, i.file); err != nil {
		return 0, err
	}
	return i.file.Read(data)
}

// printer writes records, one per line, each in a single write. It is safe for concurrent use.
type printer struct {
	mu     sync.Mutex
	out    io.Writer
	err    io.Writer
	pretty bool
	path   string // gjson path of --select
	failed bool   // an error record was printed
}

// print writes a record to stdout. With --select it writes what the path selects, skips records without it, and writes
// error records to stderr.
func (p *printer) print(v any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, isError := v.(record.Error)
	p.failed = p.failed || isError
	line, err := p.encode(v)
	if err != nil {
		return err
	}
	if p.path == "" {
		_, err = p.out.Write(line)
		return err
	}
	if isError {
		_, err = p.err.Write(line)
		return err
	}
	selected := gjson.GetBytes(line, p.path)
	if !selected.Exists() {
		return nil
	}
	text := selected.Raw
	if selected.Type == gjson.String {
		text = selected.Str
	}
	_, err = io.WriteString(p.out, text+"\n")
	return err
}

// encode returns the line of a record. It does not escape what only HTML needs, so that texts stay readable.
func (p *printer) encode(v any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if p.pretty {
		encoder.SetIndent("", "  ")
	}
	err := encoder.Encode(v)
	return line.Bytes(), err
}
