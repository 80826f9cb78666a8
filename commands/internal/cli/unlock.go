package cli

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"sessiontool/keystore"
)

// Bounds of what is read as a passphrase, and of one that is typed: terminals keep no longer lines.
const (
	maxPassphrase = 64 << 10
	maxTyped      = 4 << 10
)

// credentialName is the file in the credentials folder of systemd that is used without a flag.
const credentialName = "sessiontool-passphrase"

// PassphraseFlags name the source of a passphrase. The passphrase itself never is on the command line or in the
// environment, where other processes can read it.
type PassphraseFlags struct {
	file    string
	fd      descriptor
	command string
	ask     bool
	twice   bool // a new passphrase: ask for it twice
}

func (p *PassphraseFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&p.file, "passphrase-file", "", "read the keystore's passphrase from this file")
	flags.Var(&p.fd, "passphrase-fd", "read the keystore's passphrase from this file descriptor")
	flags.StringVar(&p.command, "passphrase-command", "",
		"run this command and take its output as the keystore's passphrase")
	flags.BoolVar(&p.ask, "ask-passphrase", false, "ask for the keystore's passphrase on the terminal")
}

// AddNew adds the flags of a new passphrase.
func (p *PassphraseFlags) AddNew(flags *pflag.FlagSet) {
	flags.StringVar(&p.file, "new-passphrase-file", "", "read the new passphrase from this file")
	flags.Var(&p.fd, "new-passphrase-fd", "read the new passphrase from this file descriptor")
	flags.StringVar(&p.command, "new-passphrase-command", "",
		"run this command and take its output as the new passphrase")
	flags.BoolVar(&p.ask, "ask-new-passphrase", false, "ask for the new passphrase on the terminal, twice")
	p.twice = true
}

// descriptor is a flag with the number of a file descriptor. The zero value is none: it contains the number plus one.
type descriptor int

// number returns the file descriptor, or -1 for none.
func (d *descriptor) number() int { return int(*d) - 1 }

// Set implements pflag.Value. A negative number is none.
func (d *descriptor) Set(text string) error {
	number, err := strconv.ParseInt(text, 0, 31)
	*d = descriptor(max(number, -1) + 1)
	return err
}

// String implements pflag.Value.
func (d *descriptor) String() string { return strconv.Itoa(d.number()) }

// Type implements pflag.Value.
func (d *descriptor) Type() string { return "int" }

// unlock returns how the keystore opens: with the passphrase from the flags or from systemd, else with its key file. A
// new keystore gets a passphrase only if there is such a source.
func (app *App) unlock() keystore.Unlock {
	if read := app.passphrase.Source(); read != nil {
		return keystore.Unlock{Passphrase: read}
	}
	return keystore.Unlock{Passphrase: credential(app.Streams.Env)}
}

// NeverAsk ignores --ask-passphrase.
func (app *App) NeverAsk() { app.passphrase.ask = false }

// Source returns the reader that the flags choose, or nil if none is chosen.
func (p *PassphraseFlags) Source() func(context.Context) ([]byte, error) {
	switch {
	case p.file != "":
		return func(ctx context.Context) ([]byte, error) { return readPassphraseFile(ctx, p.file) }
	case p.fd > 0:
		return func(ctx context.Context) ([]byte, error) { return readPassphraseFD(ctx, p.fd.number()) }
	case p.command != "":
		return func(ctx context.Context) ([]byte, error) { return runPassphraseCommand(ctx, p.command) }
	case p.ask && p.twice:
		return askTwice
	case p.ask:
		return func(ctx context.Context) ([]byte, error) { return askPassphrase(ctx, "Passphrase: ") }
	}
	return nil
}

// credential returns the reader of systemd's credential, or nil if there is none.
func credential(env func(string) string) func(context.Context) ([]byte, error) {
	if dir := env("CREDENTIALS_DIRECTORY"); dir != "" {
		path := filepath.Join(dir, credentialName)
		if _, err := os.Stat(path); err == nil {
			return func(ctx context.Context) ([]byte, error) { return readPassphraseFile(ctx, path) }
		}
	}
	return nil
}

func readPassphraseFile(ctx context.Context, path string) ([]byte, error) {
	file, err := openInput(ctx, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := keystore.CheckTrusted(file); err != nil {
		return nil, err
	}
	return readPassphrase(interruptible{ctx, file})
}

func readPassphraseFD(ctx context.Context, fd int) ([]byte, error) {
	file := os.NewFile(uintptr(fd), "passphrase")
	if file == nil {
		return nil, UsageError(fmt.Errorf("file descriptor %d is not open", fd))
	}
	defer file.Close()
	return readPassphrase(interruptible{ctx, file})
}

// leftBehind is how long children of a passphrase command may keep its output open after it has ended.
const leftBehind = 100 * time.Millisecond

// runPassphraseCommand runs a command through the shell and returns its output.
func runPassphraseCommand(ctx context.Context, command string) ([]byte, error) {
	shell, flag := "/bin/sh", "-c"
	if runtime.GOOS == "windows" {
		shell, flag = "cmd", "/C"
	}
	cmd := exec.CommandContext(ctx, shell, flag, command)
	cmd.Stdin, cmd.Stderr, cmd.WaitDelay = nil, os.Stderr, leftBehind
	out, err := cmd.Output()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, UsageError(fmt.Errorf("the passphrase command: %w", err))
	}
	return readPassphrase(bytes.NewReader(out))
}

// askPassphrase reads from the terminal itself, so that stdin stays free for records. When ctx ends it returns, and
// leaves the terminal as it was.
func askPassphrase(ctx context.Context, prompt string) (passphrase []byte, err error) {
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, UsageError(fmt.Errorf("asking for a passphrase needs a terminal: %w", err))
	}
	defer terminal.Close()
	ctx.Done() // listens for signals: one that killed the process now would leave the terminal without echo
	show, err := hideTyping(terminal)
	if err != nil {
		return nil, UsageError(fmt.Errorf("asking for a passphrase: %w", err))
	}
	defer func() {
		_, newlineErr := io.WriteString(terminal, "\n")
		err = errors.Join(err, newlineErr, show())
	}()
	if _, err := io.WriteString(terminal, prompt); err != nil {
		return nil, err
	}
	return readTyped(interruptible{ctx, terminal})
}

// readTyped reads what is typed up to the end of the line, or up to the end, which is Ctrl-D.
func readTyped(in io.Reader) ([]byte, error) {
	line := make([]byte, 0, maxTyped)
	for len(line) < cap(line) {
		n, err := in.Read(line[len(line):cap(line)])
		line = line[:len(line)+n]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			return line[:end], nil
		}
		switch {
		case errors.Is(err, io.EOF):
			return line, nil
		case err != nil:
			clear(line)
			return nil, err
		}
	}
	clear(line)
	return nil, UsageError(errors.New("the passphrase is too long to be typed"))
}

// askTwice asks for a new passphrase, and returns an error if the two answers differ.
func askTwice(ctx context.Context) ([]byte, error) {
	first, err := askPassphrase(ctx, "New passphrase: ")
	if err != nil {
		return nil, err
	}
	second, err := askPassphrase(ctx, "Once more: ")
	defer clear(second)
	if err == nil && subtle.ConstantTimeCompare(first, second) != 1 {
		err = UsageError(errors.New("the two passphrases differ"))
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}

// readPassphrase reads all of r but one newline at the end.
func readPassphrase(r io.Reader) ([]byte, error) {
	passphrase, err := io.ReadAll(io.LimitReader(r, maxPassphrase+1))
	if err != nil {
		return nil, err
	}
	if len(passphrase) > maxPassphrase {
		return nil, UsageError(errors.New("the passphrase is longer than 64 KiB"))
	}
	passphrase = bytes.TrimSuffix(passphrase, []byte("\n"))
	return bytes.TrimSuffix(passphrase, []byte("\r")), nil
}
