package account

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/message"
)

// oldKeystore opens a keystore of the test data, made by an older version, in the empty folder. Its only account is
// bob's. The key in the test data is this account's alone.
func (w *world) oldKeystore(name, folder string) *person {
	w.t.Helper()
	packed, err := os.Open(filepath.Join("testdata", name, "keystore.db.gz"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		w.t.Fatal(err)
	}
	database, err := io.ReadAll(unpacked)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join("testdata", name, "keystore.key"))
	if err != nil {
		w.t.Fatal(err)
	}
	for name, data := range map[string][]byte{"keystore.db": database, "keystore.key": key} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.Chmod(folder, 0o700); err != nil {
		w.t.Fatal(err)
	}
	a, err := OpenIn(w.t.Context(), folder, keystore.Unlock{}, keystore.Options{}, w.environment("bob"), "bob")
	if err != nil {
		w.t.Fatal(err)
	}
	return &person{Account: a, w: w}
}

// refusedMessages are two texts in libsession's envelope and one message of Session Protocol v2, as they lay in the
// swarm.
func refusedMessages(t *testing.T) (data []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/refused/envelopes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var envelope struct {
			DataBase64 string `json:"data_base64"`
		}
		if err := json.Unmarshal(lines.Bytes(), &envelope); err != nil {
			t.Fatal(err)
		}
		data = append(data, envelope.DataBase64)
	}
	if len(data) != 3 {
		t.Fatalf("%d messages, want 3", len(data))
	}
	return data
}

// What an older version refused is read when it comes again, once, and comes again since each node is read from the
// beginning. The keystore is of the version before reader 1, which had polled and refused refusedMessages.
func TestUpgradeReadsWhatWasRefused(t *testing.T) {
	w := newWorld(t)
	w.now = time.UnixMilli(1796052400000) // some seconds after the refusal
	bob := w.oldKeystore("refused", t.TempDir())
	before, err := bob.Inbox(t.Context(), 10)
	if err != nil || len(before) != 3 {
		t.Fatalf("the keystore's inbox is %+v, %v", before, err)
	}
	for _, event := range before {
		wantFailure(t, event, inbox.CodeBadEnvelope)
	}
	node := ""
	err = bob.view(t.Context(), func(tx *keystore.Tx) error {
		return tx.ForEach(inbox.TableCursors, func(name string, _ []byte) error {
			node = name
			return nil
		})
	})
	if err != nil || node == "" {
		t.Fatalf("the keystore has no cursor: %v", err)
	}
	if last, err := bob.LastHash(t.Context(), node); err != nil || last != "" {
		t.Errorf("the node is read from %q (%v), want from the beginning", last, err)
	}

	data := refusedMessages(t)
	opened := bob.gets(data...)
	wantText(t, opened[0].Event, "first of a phone")
	wantText(t, opened[1].Event, "second of a phone")
	// The third one only begins like a message of session-v2, and was refused as malformed before, too.
	wantFailure(t, opened[2].Event, inbox.CodeBadEnvelope)
	for i, one := range opened {
		if one.Duplicate != (i == 2) || one.Event.Seq == 0 {
			t.Errorf("message %d is %+v, and not news", i, one)
		}
	}
	for i, one := range bob.gets(data...) {
		if !one.Duplicate || one.Event.Seq != opened[i].Event.Seq {
			t.Errorf("message %d comes again as %+v", i, one)
		}
	}
}

// An older verdict that this version can only repeat is not shown again.
func TestUpgradeRepeatsNoRefusal(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	data := alice.puts(bob, message.Reset(w.person("trent").bundle(bob)))
	before, err := bob.Inbox(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	first := bob.get(data)
	wantFailure(t, first, inbox.CodeBadSignature)
	bob.forgetsReader(first.ID)
	for range 2 {
		again := bob.gets(data)[0]
		if !again.Duplicate || again.Event.Seq != first.Seq {
			t.Errorf("the refusal comes again as %+v", again)
		}
	}
	events, err := bob.Inbox(t.Context(), 10)
	if err != nil || len(events) != len(before)+1 {
		t.Errorf("the inbox is %+v, %v", events, err)
	}
}

// A message to oneself from another device was a control event for older versions.
func TestUpgradeReadsCopies(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	data := alice.losesAll().copies(alice, bob, "hi")
	id := inbox.ID(data)
	err := alice.update(t.Context(), func(tx *keystore.Tx) error {
		control := map[string]any{"version": 1, "id": id, "kind": "control", "text": "self", "received_at": w.now}
		return tables.Put(tx, inbox.TableSeen, id, map[string]any{"control": control, "until": w.now.Add(inbox.SeenFor)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if event := alice.get(data); event.Kind != inbox.EventMessage || event.To != bob.ID() || event.Text != "hi" {
		t.Errorf("the copy is %+v", event)
	}
}

// forgetsReader makes a verdict one of a version that did not count readers.
func (p *person) forgetsReader(id string) {
	p.w.t.Helper()
	err := p.update(p.w.t.Context(), func(tx *keystore.Tx) error {
		seen := make(map[string]any)
		if _, err := tables.Get(tx, inbox.TableSeen, id, &seen); err != nil {
			return err
		}
		delete(seen, "reader")
		return tables.Put(tx, inbox.TableSeen, id, seen)
	})
	if err != nil {
		p.w.t.Fatal(err)
	}
}
