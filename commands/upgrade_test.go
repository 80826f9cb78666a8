package commands

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/record"
)

// refused is where the account's tests keep a keystore of an older version, and the messages that this one refused.
const refused = "../lib/account/testdata/refused/"

// upgraded is the owner of that keystore after the upgrade, on the network behind seed.
func upgraded(t *testing.T, seed string) *person {
	t.Helper()
	p := &person{t: t, home: t.TempDir(), seed: seed}
	folder := filepath.Join(p.home, "keystore")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	packed, err := os.Open(refused + "keystore.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	database, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(refused + "keystore.key")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"keystore.db": database, "keystore.key": key} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// refusedEnvelopes are the refused messages as records, dated anew: no node takes an old one. Their data is as it was.
func refusedEnvelopes(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(refused + "envelopes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		var envelope record.Envelope
		if err := json.Unmarshal(lines.Bytes(), &envelope); err != nil {
			t.Fatal(err)
		}
		envelope.TimestampMS = time.Now().UnixMilli()
		line, err := json.Marshal(envelope)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
	}
	return out.String()
}

// What the version before refused is printed after the upgrade, by whichever command reads it, and once.
func TestUpgradePrintsWhatWasRefused(t *testing.T) {
	seed := startDevnet(t, usual).SeedURL()
	stored := refusedEnvelopes(t)
	sender := newPerson(t, seed, "sender")
	sender.must(sender.must(stored, "pow", "solve"), "swarm", "store")
	for name, read := range map[string]func(p *person) string{
		"poll":   func(p *person) string { return p.run("", "", "poll").out },
		"listen": func(p *person) string { return p.run("", "", "listen", "--max-idle", "2s").out },
		"open":   func(p *person) string { return p.run("", stored, "envelope", "open").out },
	} {
		t.Run(name, func(t *testing.T) {
			bob := upgraded(t, seed)
			out := read(bob)
			said := strings.Fields(selected(out, "message", "text"))
			slices.Sort(said) // which of the two comes first is for the nodes to say
			if got := strings.Join(said, " "); got != "a a first of of phone phone second" {
				t.Errorf("printed the texts %q: %s", got, out)
			}
			// The third message is what it was before: malformed.
			if got := selected(out, "error", "code"); strings.TrimSpace(got) != map[string]string{"open": "bad_envelope"}[name] {
				t.Errorf("printed the errors %q: %s", got, out)
			}
			if again := bob.run("", "", "poll"); again.out != "" || again.code != 0 {
				t.Errorf("the next poll prints %s%s", again.out, again.err)
			}
		})
	}
}

// selected returns a field of the records of one type, a line each.
func selected(records, kind, field string) string {
	var out strings.Builder
	for lines := bufio.NewScanner(strings.NewReader(records)); lines.Scan(); {
		var fields map[string]any
		if json.Unmarshal(lines.Bytes(), &fields) != nil || fields["type"] != kind {
			continue
		}
		if text, ok := fields[field].(string); ok {
			out.WriteString(text + "\n")
		}
	}
	return out.String()
}
