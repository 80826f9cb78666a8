package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/term"

	"sessiontool/commands/internal/human"
	"sessiontool/keystore"
	"sessiontool/lib/network"
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
	// OutFile and ErrFile are the files behind Out and Err, nil if these are none. Writing waits for their readers only
	// as long as the command may run.
	OutFile, ErrFile *os.File
	// OutClosed says that there is no stdout: writes are lost without an error.
	OutClosed bool
	// UntilSignal returns a context that a signal to the process ends too. If it is nil, signals do not end the run.
	UntilSignal func(context.Context) context.Context
	// CommitHook is called around every commit of the keystore, so that tests can kill the process there.
	CommitHook func(stage string)
	// Disk stands between the keystore and its file, and Network changes how the network is reached. Both are for tests.
	Disk    func(path string, file keystore.Disk) keystore.Disk
	Network func(*network.Config)
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
		OutFile:       os.Stdout,
		ErrFile:       os.Stderr,
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
	mu       sync.Mutex
	out      io.Writer
	err      io.Writer
	terminal bool          // out is a terminal
	people   *human.Writer // of --output human, else nil
	pretty   bool
	path     string // gjson path of --select
	path0    string // gjson path of --select0
	chosen   *Types // nil: all
	failed   bool   // a record.Problem was printed
	lasting  bool   // one that may not go away by itself
}

// fail records that something is missing from the output.
func (p *printer) fail() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed, p.lasting = true, true
}

// print writes a record to stdout. With --select or --select0 it writes what the path selects, skips records without
// it, and writes error records and other problems to stderr. Records that are not chosen are left out; see Types.
func (p *printer) print(v any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, isError := v.(record.Problem)
	p.failed = p.failed || isError
	if problem, ok := v.(record.Error); isError && !(ok && problem.Retryable) {
		p.lasting = true
	}
	if p.people != nil {
		return p.people.Write(v)
	}
	line, err := p.encode(v)
	if err != nil {
		return err
	}
	if over, loss := p.chosen.passes(line); over {
		if loss {
			_, err = p.err.Write(line)
		}
		return err
	}
	if p.path == "" && p.path0 == "" {
		_, err = p.out.Write(line)
		return err
	}
	if isError {
		_, err = p.err.Write(line)
		return err
	}
	selected := gjson.GetBytes(line, cmp.Or(p.path, p.path0))
	if !selected.Exists() {
		return nil
	}
	_, err = io.WriteString(p.out, p.ended(selected))
	return err
}

// flushAfter prints what --output human has kept for a table, after work that ended with err. It returns err, or its own
// error.
func (p *printer) flushAfter(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.people == nil {
		return err
	}
	if failure := p.people.Flush(); err == nil {
		err = failure
	}
	return err
}

// ended returns what a path selected, with the character that ends it. A string is data, which a terminal must not act
// on. The end is a NUL with --select0, so that a NUL within a string becomes U+FFFD there.
func (p *printer) ended(selected gjson.Result) string {
	text, show := selected.Raw, human.EscapeHidden // Raw may hold hidden characters: @fromstr turns a text into JSON
	if selected.Type == gjson.String {
		text, show = selected.Str, Visible
	}
	if p.terminal {
		text = show(text)
	}
	if p.path0 == "" {
		return text + "\n"
	}
	return strings.ReplaceAll(text, "\x00", "\ufffd") + "\x00"
}

// encode returns the line of a record. It does not escape what only HTML needs, so that texts stay readable. It escapes
// the characters on which a terminal acts.
func (p *printer) encode(v any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if p.pretty {
		encoder.SetIndent("", "  ")
	}
	err := encoder.Encode(v)
	return []byte(human.EscapeHidden(line.String())), err
}
