package inbox

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/internal/fill"
)

// form0 opens a copy of the keystore of a version that gave its values no number.
func form0(t *testing.T) *keystore.Store {
	t.Helper()
	const folder = "../testdata/stored"
	packed, err := os.Open(filepath.Join(folder, "keystore.db.gz"))
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
	key, err := os.ReadFile(filepath.Join(folder, "keystore.key"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "keystore")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"keystore.db": database, "keystore.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store, err := keystore.Open(t.Context(), dir, keystore.Unlock{}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// Every event of form 0 that is written anew says the same, except for its number.
func TestForm0Rewritten(t *testing.T) {
	rewritten := 0
	err := form0(t).View(t.Context(), "bob", func(tx *keystore.Tx) error {
		return tx.Range(TableEvents, 0, func(seq uint64, value []byte) error {
			event, err := decodeEvent(seq, value)
			if err != nil {
				return err
			}
			anew, err := encodeEvent(event)
			if err != nil {
				return err
			}
			rewritten++
			got, want := fieldsOf(t, anew), fieldsOf(t, value)
			if got["version"] != float64(storedVersion) {
				t.Errorf("event %d has no number: %s", seq, anew)
			}
			delete(got, "version")
			if !reflect.DeepEqual(got, want) {
				t.Errorf("event %d is now %s, was %s", seq, anew, value)
			}
			return nil
		})
	})
	if err != nil || rewritten != 24 {
		t.Errorf("%d events were compared, %v", rewritten, err)
	}
}

func fieldsOf(t *testing.T, value []byte) (fields map[string]any) {
	t.Helper()
	if err := json.Unmarshal(value, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// No field is lost between memory and disk. A new field fails here until stored.go has it.
func TestStoredFormHasEveryField(t *testing.T) {
	var want Event
	fill.Value(t, &want)
	want.Overtook, want.Attempt, want.SetAside = false, 0, false // of this process alone
	want.Report, want.Name = nil, ""                             // the name is in the address book
	value, err := encodeEvent(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeEvent(want.Seq, value); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the event %+v comes back as %+v, %v", want, got, err)
	}
}

// A word that changes here needs a table in stored.go: older keystores have the old one.
func TestStoredWords(t *testing.T) {
	for got, want := range map[any]string{
		EventMessage: "message", EventFriendRequest: "friend_request", EventDelivery: "delivery",
		EventReset:    "session_reset",
		EventReaction: "reaction", EventTyping: "typing", EventExtraction: "extraction", EventCall: "call",
		EventTimer: "timer_change", EventUnsend: "unsend", EventUnknown: "unknown", EventControl: "control",
		EventFailure: "failure", EventGap: "gap",

		CodeBadEnvelope: "bad_envelope", CodeDecryptionFailed: "decryption_failed", CodeNewerProtocol: "newer_protocol",
		CodeUnknownPrekey: "unknown_prekey", CodeBadSignature: "bad_signature", CodeNoSession: "no_session",
	} {
		if word := reflect.ValueOf(got).String(); word != want {
			t.Errorf("%T %q is stored as %q", got, word, want)
		}
	}
}

// A value of a newer version is refused as such, whatever its fields are.
func TestNewerForm(t *testing.T) {
	const later = `{"version":2,"kind":[1],"control":{"version":2}}`
	_, event := decodeEvent(1, []byte(later))
	var entry seenEntry
	for name, err := range map[string]error{
		"event": event, "seen": tables.ReadForm(TableSeen, []byte(later), storedVersion, &entry),
	} {
		if !errors.Is(err, keystore.ErrVersion) {
			t.Errorf("%s: got %v, want ErrVersion", name, err)
		}
	}
}

// A value that no version has written is corrupt.
func TestCorruptForms(t *testing.T) {
	if _, err := decodeEvent(1, []byte(`{"kind":[1]}`)); !errors.Is(err, keystore.ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}
