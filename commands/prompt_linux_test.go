package commands

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sessiontool/lib/record"
)

// openTerminal makes a terminal: what is typed into ours comes out of theirs, and what is shown on theirs out of ours.
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	open := func(path string) *os.File {
		file, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		return file
	}
	ours = open("/dev/ptmx")
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ours, open(fmt.Sprint("/dev/pts/", number))
}

// shows reports whether a terminal shows what is typed.
func shows(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// A passphrase that is typed is not shown, and a user who stops the command instead of typing it gets the terminal
// back.
func TestPassphrasePrompt(t *testing.T) {
	p := &person{t: t, home: t.TempDir()}
	secret := p.home + "/secret"
	if err := os.WriteFile(secret, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.must("", "keygen", "--passphrase-file", secret)
	for name, test := range map[string]struct {
		typed string
		stop  os.Signal
		args  []string
		exit  int
		code  record.Code
	}{
		"the passphrase":  {typed: "correct horse\n"},
		"another one":     {typed: "battery staple\n", exit: record.ExitAuth, code: record.CodeWrongPassphrase},
		"nothing":         {typed: "\n", exit: record.ExitAuth, code: record.CodePassphraseRequired},
		"the end":         {typed: "\x04", exit: record.ExitAuth, code: record.CodePassphraseRequired},
		"Ctrl-C":          {typed: "\x03", exit: record.ExitInterrupt, code: record.CodeInterrupted},
		"Ctrl-C half way": {typed: "correct\x03", exit: record.ExitInterrupt, code: record.CodeInterrupted},
		"SIGTERM":         {stop: syscall.SIGTERM, exit: record.ExitTerminated, code: record.CodeTerminated},
		"out of time":     {args: []string{"--timeout", "5s"}, exit: record.ExitTimeout, code: record.CodeTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := openTerminal(t)
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			args := append([]string{"identity", "show", "--ask-passphrase"}, test.args...)
			cmd := exec.CommandContext(t.Context(), self, args...)
			cmd.Args[0] = "sessiontool"
			cmd.Env = p.environment()
			var out, problems bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, &out, &problems
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			shown := make([]byte, len("Passphrase: "))
			for n := 0; n < len(shown); {
				more, err := ours.Read(shown[n:])
				if err != nil {
					t.Fatal(err)
				}
				n += more
			}
			if string(shown) != "Passphrase: " || shows(t, theirs) {
				t.Errorf("the prompt is %q, and what is typed is shown: %v", shown, shows(t, theirs))
			}
			if _, err := ours.WriteString(test.typed); err != nil {
				t.Fatal(err)
			}
			if test.stop != nil {
				if err := cmd.Process.Signal(test.stop); err != nil {
					t.Fatal(err)
				}
			}
			cmd.Wait() // how it ended is in its state
			r := result{out: out.String(), err: problems.String(), code: cmd.ProcessState.ExitCode()}
			if test.code != "" {
				r.wantExit(t, test.exit, test.code)
			} else if r.code != 0 || !strings.Contains(r.out, `"type":"identity"`) {
				t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
			}
			if !shows(t, theirs) {
				t.Error("the terminal does not show any more what is typed")
			}
			rest := make([]byte, 100)
			n, err := ours.Read(rest)
			if err != nil || string(rest[:n]) != "\r\n" {
				t.Errorf("behind the prompt the terminal shows %q, %v", rest[:n], err)
			}
		})
	}
}

// On a terminal a selected string is shown escaped; in a pipe it is data. Here it is a setting, as it could be a text.
func TestSelectedOnTerminal(t *testing.T) {
	t.Parallel()
	const value = "\x1b]52;c;cm0gLXJm\a\u009b2J\u202eexe"
	ours, theirs := openTerminal(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(out io.Writer, flag string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), self, "config", "show", "network", flag, "value", "--network", value)
		cmd.Args[0] = "sessiontool"
		cmd.Env = (&person{t: t, home: t.TempDir()}).environment()
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
	}
	for flag, end := range map[string]string{"--select": "\n", "--select0": "\x00"} {
		var pipe bytes.Buffer
		run(&pipe, flag)
		if got, want := pipe.String(), value+end; got != want {
			t.Errorf("%s in a pipe: %q, want %q", flag, got, want)
		}
		run(theirs, flag)
		want := `\u001b]52;c;cm0gLXJm\u0007\u009b2J\u202eexe` + strings.ReplaceAll(end, "\n", "\r\n")
		got := make([]byte, len(want))
		if _, err := io.ReadFull(ours, got); err != nil || string(got) != want {
			t.Errorf("%s on a terminal: %q, %v, want %q", flag, got, err, want)
		}
	}
}

// A stranger's name and text cannot act on the terminal, nor on that of a shell that completes a Session ID.
func TestStrangersOnTerminal(t *testing.T) {
	t.Parallel()
	const hostile, shown = "\x1b]52;c;cm0=\a\u009b2J\u202e\nme: yes", `\u001b]52;c;cm0=\u0007\u009b2J\u202e\nme: yes`
	p := &person{t: t, home: t.TempDir()}
	p.must("", "keygen")
	stranger := "05" + strings.Repeat("66", 32)
	forged := p.must("", "transcript", "forge", "--as", stranger, "--text", hostile, "--display-name", hostile,
		"--dir", p.home+"/made")
	var theirs strings.Builder
	for line := range strings.Lines(forged) {
		if strings.Contains(line, `"from":"`+stranger) {
			theirs.WriteString(line)
		}
	}
	terminal, out := openTerminal(t)
	on := func(out io.Writer, stdin string, args ...string) {
		t.Helper()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), self, args...)
		cmd.Args[0] = "sessiontool"
		cmd.Env = append(p.environment(), "SESSIONTOOL_KEYSTORE="+p.home+"/made")
		cmd.Stdin, cmd.Stdout = strings.NewReader(stdin), out
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ field, stdin, command string }{
		{"text", theirs.String(), "envelope open"}, {"text", "", "inbox"}, {"display_name", "", "contact list"},
	} {
		args := append(strings.Fields(test.command), "--select", test.field)
		want := shown + "\r\n"
		if test.field == "text" {
			want = "\r\n" + want // the acceptance has none
		}
		on(out, test.stdin, args...)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(terminal, got); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", test.command, got, err, want)
		}
	}
	var words bytes.Buffer
	on(&words, "", "__complete", "contact", "show", "")
	if got, want := words.String(), stranger+"\t"+shown+"\n"; !strings.HasPrefix(got, want) {
		t.Errorf("completion proposes %q, want %q", got, want)
	}
}
