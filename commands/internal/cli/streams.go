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

// Streams is where a run reads and writes, with the facts about them that matter.
type Streams struct {
	In            io.Reader
	Out           io.Writer
	Err           io.Writer
	InIsTerminal  bool
	OutIsTerminal bool
	ErrIsTerminal bool
	Env           func(name string) string
	// OutClosed says that there is no stdout: what is written goes nowhere, without an error.
	OutClosed bool
	// UntilSignal returns a context that a signal to the process ends too. Nil if signals are none of the run's business.
	UntilSignal func(context.Context) context.Context
	// CommitHook is called around every commit of the keystore, so that tests can kill the process there.
	CommitHook func(stage string)
	// Now is this machine's clock; nil means time.Now. Tests set it wrong.
	Now func() time.Time
}

// System returns the process's own streams and signals.
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

// interruptible is a file, such as stdin, that is read until ctx ends: a command that waits for input can be stopped.
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
	failed bool   // an error record took some record's place
}

// Print writes a record to stdout. With --select only what the path selects is written; a record without it is
// passed over, and error records go to stderr, where they are seen.
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

// encode makes the line of a record. Texts stay readable: what only HTML would need is not escaped.
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
