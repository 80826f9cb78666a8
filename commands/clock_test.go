package commands

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/devnet"
)

// startSeed starts a seed that passes on what the one at url lists, and gives its time in a header; empty means none.
func startSeed(t *testing.T, url, header string) string {
	t.Helper()
	seed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := http.Post(url, "application/json", r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer answer.Body.Close()
		w.Header()["Date"] = nil
		if header != "" {
			w.Header().Set(header, time.Now().UTC().Format(http.TimeFormat))
		}
		if _, err := io.Copy(w, answer.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(seed.Close)
	return seed.URL
}

// atTime runs a command on a machine whose clock is off.
func (p *person) atTime(off time.Duration, args ...string) result {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), self, args...)
	cmd.Args[0] = "sessiontool"
	cmd.Env = append(p.environment(), clockOffset+"="+off.String())
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return result{out: out.String(), err: problems.String(), code: cmd.ProcessState.ExitCode()}
}

// A clock that is an hour or ten years off is found out whatever the seed says, and what is sent has the right time.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	const years = 10 * 365 * 24 * time.Hour
	net := startDevnet(t, devnet.Options{Nodes: 6, SwarmSize: 3})
	bob := newPerson(t, net.SeedURL(), "bob")
	for seed, header := range map[string]string{"date": "Date", "last modified": "Last-Modified", "neither": ""} {
		url := startSeed(t, net.SeedURL(), header)
		for off, words := range map[time.Duration]string{
			time.Hour: "it is 1 h ahead", -time.Hour: "it is 1 h behind",
			years: "it is 10 years ahead", -years: "it is 10 years behind",
		} {
			t.Run(fmt.Sprint(seed, " ", off), func(t *testing.T) {
				near := func(what string, ms int64) {
					t.Helper()
					if left := time.Duration(ms)*time.Millisecond + off; left.Abs() > 10*time.Minute {
						t.Errorf("%s says %d ms", what, ms)
					}
				}
				alice := newPerson(t, url, "alice")
				sent := alice.atTime(off, "friend-request", "send", "--to", bob.id, "--text", "hello")
				if sent.code != 0 {
					t.Fatalf("exit %d: %s", sent.code, sent.err)
				}
				stamp := time.UnixMilli(gjson.Get(sent.out, "timestamp_ms").Int())
				near("the receipt", gjson.Get(sent.out, "clock_offset_ms").Int())
				if late := time.Since(stamp); late.Abs() > 10*time.Minute {
					t.Errorf("the message is dated %s ago", late)
				}
				clock := alice.atTime(off, "clock")
				near("clock", gjson.Get(clock.out, "offset_ms").Int())
				near("its error", gjson.Get(clock.err, "offset_ms").Int())
				if clock.code != 9 || gjson.Get(clock.err, "code").Str != "clock_skew" ||
					!strings.Contains(clock.err, words[:len(words)-3]) ||
					gjson.Get(clock.out, "source").Str != "nodes" || len(gjson.Get(clock.out, "voices").Array()) < 2 {
					t.Errorf("clock: exit %d\n%s%s", clock.code, clock.out, clock.err)
				}
				doctor := alice.atTime(off, "doctor", "--select", `{name,ok,code,detail}`)
				if doctor.code != 3 || !strings.Contains(doctor.out, `"name":"clock","ok":false,"code":"clock_skew"`) {
					t.Errorf("doctor: exit %d\n%s", doctor.code, doctor.out)
				}
			})
		}
	}
	got := 0
	for line := range strings.Lines(bob.must("", "poll")) {
		stamp := time.UnixMilli(gjson.Get(line, "timestamp_ms").Int())
		if late := time.Since(stamp); late.Abs() > 10*time.Minute {
			t.Errorf("bob gets a message that is dated %s ago", late)
		}
		got++
	}
	if got != 12 {
		t.Errorf("bob gets %d requests", got)
	}
}
