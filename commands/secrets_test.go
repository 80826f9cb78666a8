package commands

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"sessiontool/keystore"
	"sessiontool/lib/mnemonic"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/trace"
	"sessiontool/proto/statepb"
)

// secret is something that must not be printed or logged.
type secret struct {
	name  string
	forms []string // ways in which it might be written
}

func secretText(name, text string) secret { return secret{name, []string{text}} }

// secretBytes is a key: in hex, base64, or as Go prints bytes.
func secretBytes(name string, key []byte) secret {
	return secret{name, []string{
		string(key), hex.EncodeToString(key), strings.ToUpper(hex.EncodeToString(key)),
		base64.RawStdEncoding.EncodeToString(key), base64.RawURLEncoding.EncodeToString(key),
		strings.Trim(fmt.Sprint(key), "[]"),
	}}
}

// in returns the form in which the secret is in a text, or nothing.
func (s secret) in(text string) string {
	for _, form := range s.forms {
		if strings.Contains(text, form) {
			return form
		}
	}
	return ""
}

// publicFields are the byte fields of a session's state that are no secrets.
var publicFields = map[protoreflect.Name]bool{
	"local_identity": true, "remote_identity": true, "base_key": true, "ratchet_public": true,
}

// secretsOf collects what must never leave the keystore of the account alice in a home: its seed in every form, its key
// file, and the secrets of all prekeys and sessions. Without an account there are those of the words alone.
func secretsOf(t *testing.T, home, words string) []secret {
	t.Helper()
	seed, err := mnemonic.Decode(words)
	if err != nil {
		t.Fatal(err)
	}
	keys := sessionid.KeysFromSeed(seed)
	secrets := []secret{
		secretText("the passphrase", stagePassphrase), secretText("the words", strings.TrimSpace(words)),
		secretText("some of the words", strings.Join(strings.Fields(words)[3:7], " ")),
		secretBytes("the seed", seed[:]), secretBytes("the Ed25519 key", keys.Ed25519[:32]),
		secretBytes("the X25519 key", keys.X25519.Private[:]),
	}
	dir := filepath.Join(home, "keystore")
	keyFile, err := os.ReadFile(filepath.Join(dir, "keystore.key"))
	if err == nil {
		secrets = append(secrets, secretBytes("the key file", keyFile))
	} else if !errors.Is(err, fs.ErrNotExist) { // 'identity passphrase' removes it
		t.Fatal(err)
	}
	passphrase := func(context.Context) ([]byte, error) { return []byte(stagePassphrase), nil }
	store, err := keystore.Open(t.Context(), dir, keystore.Unlock{Passphrase: passphrase}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := store.Accounts(t.Context())
	if err != nil || len(names) == 0 { // 'identity remove' leaves none
		return secrets
	}
	err = store.View(t.Context(), "alice", func(tx *keystore.Tx) error {
		kept, err := keptSecrets(tx)
		secrets = append(secrets, kept...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return secrets
}

// keptSecrets reads the secrets of prekeys and sessions.
func keptSecrets(tx *keystore.Tx) (secrets []secret, err error) {
	prekey := func(name string, key struct{ Private []byte }) {
		secrets = append(secrets, secretBytes(name, key.Private))
	}
	data, _, err := tx.Get("signed_prekeys", "all")
	if err != nil {
		return nil, err
	}
	var signed []struct{ Private []byte }
	if len(data) > 0 {
		if err := json.Unmarshal(data, &signed); err != nil {
			return nil, err
		}
	}
	for _, key := range signed {
		prekey("a signed prekey", key)
	}
	err = tx.ForEach("onetime_prekeys", func(_ string, value []byte) error {
		var key struct{ Private []byte }
		err := json.Unmarshal(value, &key)
		prekey("a one-time prekey", key)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = tx.ForEach("sessions", func(_ string, value []byte) error {
		var sessions statepb.SessionRecord
		if err := proto.Unmarshal(value, &sessions); err != nil {
			return err
		}
		secrets = append(secrets, secretsIn(sessions.ProtoReflect())...)
		return nil
	})
	return secrets, err
}

// secretsIn collects the secret byte fields of a message and of those within.
func secretsIn(message protoreflect.Message) (secrets []secret) {
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Kind() == protoreflect.BytesKind && !publicFields[field.Name()]:
			secrets = append(secrets, secretBytes("a session's "+string(field.Name()), value.Bytes()))
		case field.Kind() == protoreflect.MessageKind && field.IsList():
			for i := range value.List().Len() {
				secrets = append(secrets, secretsIn(value.List().Get(i).Message())...)
			}
		case field.Kind() == protoreflect.MessageKind:
			secrets = append(secrets, secretsIn(value.Message())...)
		}
		return true
	})
	return secrets
}

// wantFindable tests the search itself: the prepared account has secrets of every kind, and each would be found in
// every form.
func (s *stage) wantFindable(t *testing.T) {
	t.Helper()
	found := make(map[string]int)
	for _, secret := range secretsOf(t, s.home, s.words) {
		found[secret.name]++
		for _, form := range secret.forms {
			if len(form) < 16 || secret.in("before "+form+" after") == "" {
				t.Errorf("%s is not found as %q", secret.name, form)
			}
		}
	}
	for _, name := range []string{
		"the passphrase", "the words", "the seed", "the key file", "a signed prekey", "a session's root_key",
		"a session's ratchet_private",
		"a session's chain_key",
	} {
		if found[name] == 0 {
			t.Errorf("there is no secret called %s", name)
		}
	}
}

// wantPrivateTraces checks what an example has left of traces: neither the journal, as its owner reads it, nor a file has
// a secret, a text, or the Session ID of any user. The journal's file has not even the hash of a message.
func (s *stage) wantPrivateTraces(t *testing.T, home, line string, secrets []secret) {
	t.Helper()
	private := append(secrets, secretText("a text", waitingText))
	for _, variable := range s.environ {
		if name, value, _ := strings.Cut(variable, "="); name == "ALICE" || name == "BOB" || name == "CAROL" {
			private = append(private, secretText("the Session ID of "+name, partOfID(value)))
		}
	}
	for name, content := range tracesIn(t, home) {
		for _, one := range private {
			if where := one.in(content); where != "" {
				t.Errorf("%s\n%s has %s: %s", line, name, one.name, where)
			}
		}
	}
}

// partOfID returns the part of a Session ID that nothing private may show: neither the whole ID, nor its key, nor the
// beginning of that.
func partOfID(id string) string { return id[2:14] }

// tracesIn returns the files of traces in a home by name, and the journal sealed and opened.
func tracesIn(t *testing.T, home string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, name := range []string{"way.svg", "way.json", "way.jsonl"} {
		if content, err := os.ReadFile(filepath.Join(home, name)); err == nil {
			found[name] = string(content)
		}
	}
	dir := filepath.Join(home, "keystore")
	sealed, err := os.ReadFile(filepath.Join(dir, "trace.journal"))
	if err != nil {
		return found
	}
	passphrase := func(context.Context) ([]byte, error) { return []byte(stagePassphrase), nil }
	store, err := keystore.Open(t.Context(), dir, keystore.Unlock{Passphrase: passphrase}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	traces, damaged := trace.ReadJournal(sealed, store.DeriveKey("trace journal"))
	if damaged > 0 || len(traces) == 0 {
		t.Errorf("the journal has %d traces, and %d damaged entries", len(traces), damaged)
	}
	for i, one := range traces {
		opened, err := one.Encode()
		if err != nil {
			t.Fatal(err)
		}
		found[fmt.Sprintf("trace %d of the journal", i)] = string(opened)
		for _, span := range one.Spans {
			if hash := span.Attr(trace.KeyHash); hash != "" && strings.Contains(string(sealed), hash) {
				t.Errorf("the file of the journal shows the hash %s", hash)
			}
		}
	}
	found["the journal"] = string(sealed)
	return found
}
