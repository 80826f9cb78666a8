package commands

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/tidwall/gjson"

	"sessiontool/commands/internal/cli"
	"sessiontool/keystore"
)

// setFrom sets a variable to what a gjson path selects of the last command's stdout, taken as a list of records:
//
//	setfrom BOB 0.session_id
func setFrom(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setfrom NAME PATH")
	}
	lines := strings.TrimSpace(ts.ReadFile("stdout"))
	value := gjson.Get("["+strings.ReplaceAll(lines, "\n", ",")+"]", args[1])
	if !value.Exists() {
		ts.Fatalf("stdout has no %s:\n%s", args[1], lines)
	}
	ts.Setenv(args[0], value.String())
}

// jsonLines checks that every line of a file (stdout, stderr or another) is a JSON object with a type.
func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: jsonlines FILE")
	}
	for i, line := range strings.Split(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "\n") {
		var object struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal([]byte(line), &object); err != nil || object.Type == "" {
			ts.Fatalf("line %d of %s is no record: %q", i+1, args[0], line)
		}
	}
}

// jsonObjects checks that every line of a file is a JSON object, and that there is one: jsonobjects stderr.
func jsonObjects(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: jsonobjects FILE")
	}
	for i, line := range strings.Split(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "\n") {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("line %d of %s is no JSON object: %q", i+1, args[0], line)
		}
	}
}

// countLines checks how many lines of the last stdout have a text in them: count 2 '"ok":true'.
func countLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: count N TEXT")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if strings.Contains(line, args[1]) {
			got++
		}
	}
	if got != want {
		ts.Fatalf("%d lines with %q, not %d:\n%s", got, args[1], want, ts.ReadFile("stdout"))
	}
}

// exits runs a command that must end with this code: exits 5 sessiontool poll.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ends with %d, not %d", strings.Join(args[1:], " "), got, want)
	}
}

// lock keeps a keystore's file locked until the script ends: lock FILE.
func lock(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lock FILE")
	}
	dir := filepath.Dir(ts.MkAbs(args[0]))
	store, err := keystore.Open(context.Background(), dir, keystore.Unlock{}, keystore.Options{})
	ts.Check(err)
	names, err := store.Accounts(context.Background())
	ts.Check(err)
	held, release, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		ended <- store.Update(context.Background(), names[0], func(*keystore.Tx) error {
			close(held)
			<-release
			return nil
		})
	}()
	select {
	case <-held:
	case err := <-ended:
		ts.Fatalf("locking: %v", err)
	}
	ts.Defer(func() {
		close(release)
		ts.Check(<-ended)
	})
}

// crashing makes the process kill itself at the commit of the keystore that CRASH_AT counts, if it is set: "3 before
// commit" is the third time that this stage is reached. Only what was printed until then is left of it.
func crashing(streams cli.Streams) cli.Streams {
	number, stage, found := strings.Cut(os.Getenv("CRASH_AT"), " ")
	if !found {
		return streams
	}
	left, err := strconv.Atoi(number)
	if err != nil {
		panic(err)
	}
	streams.CommitHook = func(at string) {
		if at != stage {
			return
		}
		if left--; left == 0 {
			kill()
		}
	}
	return streams
}

// kill ends this process as kill -9 does.
func kill() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(syscall.SIGKILL)
	}
	if err != nil {
		panic(err)
	}
	select {}
}
