package identitycmd

import (
	"strings"
	"testing"

	"sessiontool/commands/internal/cli/clitest"
	"sessiontool/lib/record"
)

// An account is made, shown, exported and restored with the same identity.
func TestRunAccount(t *testing.T) {
	r := clitest.New(t, "")
	clitest.WantCode(t, runIdentityShow(t.Context(), r.App, &identityShowOptions{}), record.CodeKeystoreNotFound)
	if err := runKeygen(t.Context(), r.App, &keygenOptions{displayName: "Alice"}); err != nil {
		t.Fatal(err)
	}
	made := r.Printed(t)
	if len(made) != 1 || made[0].Get("display_name").Str != "Alice" || made[0].Get("mnemonic").Exists() {
		t.Fatalf("keygen prints %v", made)
	}
	if err := runIdentityShow(t.Context(), r.App, &identityShowOptions{qr: true}); err != nil {
		t.Fatal(err)
	}
	if shown := r.Printed(t); len(shown) != 1 || shown[0].Raw != made[0].Raw {
		t.Errorf("identity show prints %v, keygen %v", shown, made)
	}
	if !strings.Contains(r.Err.String(), "█") {
		t.Errorf("there is no QR code on stderr: %q", r.Err.String())
	}
	if err := runIdentityExport(t.Context(), r.App, &identityExportOptions{}); err != nil {
		t.Fatal(err)
	}
	words := r.Printed(t)[0].Get("mnemonic").Str

	again := clitest.New(t, words)
	if err := runKeygen(t.Context(), again.App, &keygenOptions{mnemonicFile: "-"}); err != nil {
		t.Fatal(err)
	}
	restored := again.Printed(t)
	if len(restored) != 1 || restored[0].Get("session_id").Str != made[0].Get("session_id").Str {
		t.Errorf("restored as %v, made as %v", restored, made)
	}
	clitest.WantCode(t, runIdentityRemove(t.Context(), again.App, &identityRemoveOptions{}), record.CodeUsage)
	if err := runIdentityRemove(t.Context(), again.App, &identityRemoveOptions{yes: true}); err != nil {
		t.Fatal(err)
	}
	clitest.WantCode(t, runIdentityShow(t.Context(), again.App, &identityShowOptions{}), record.CodeAccountNotFound)
}

// A file for a QR code must be a picture of a known format; nothing is printed otherwise.
func TestRunIdentityShowFormat(t *testing.T) {
	r := clitest.New(t, "")
	if err := runKeygen(t.Context(), r.App, &keygenOptions{}); err != nil {
		t.Fatal(err)
	}
	r.Printed(t)
	err := runIdentityShow(t.Context(), r.App, &identityShowOptions{qrFile: "alice.gif"})
	clitest.WantCode(t, err, record.CodeUsage)
	if printed := r.Printed(t); len(printed) != 0 {
		t.Errorf("printed %v", printed)
	}
}

// Options that make no sense are refused before a keystore, a network or stdin is touched.
func TestRunRefusesOptions(t *testing.T) {
	r := clitest.New(t, "")
	r.Streams.In = clitest.Untouchable{T: t}
	ctx := t.Context()
	r.RefusesOptions(t, map[string]error{
		"prekey bundle":       runPrekeyBundle(ctx, r.App, &prekeyBundleOptions{}),
		"identity passphrase": runIdentityPassphrase(ctx, r.App, &identityPassphraseOptions{}),
	})
}
