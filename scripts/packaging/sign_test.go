package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A signature of the checksums verifies with the command of docs/releases.md, and no more once the checksums have
// changed, with another key, or for another use.
func TestSign(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("there is no ssh-keygen")
	}
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	for _, name := range []string{key, key + "2"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", name).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	r := &release{out: dir}
	list := []byte("00  sessiontool\n")
	if err := r.write(checksumsFile, list); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second replaces the first
		if err := r.sign(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	verify := func(key, use string, list []byte) error {
		t.Helper()
		public, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		signers := filepath.Join(dir, "allowed_signers")
		if err := os.WriteFile(signers, append([]byte("releases@sessiontool "), public...), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", signers, "-I", "releases@sessiontool", "-n", use,
			"-s", filepath.Join(dir, checksumsFile+".sig"))
		cmd.Stdin = bytes.NewReader(list)
		return cmd.Run()
	}
	if err := verify(key, signatureUse, list); err != nil {
		t.Errorf("the signature is refused: %v", err)
	}
	for what, err := range map[string]error{
		"other checksums": verify(key, signatureUse, []byte("11  sessiontool\n")),
		"another key":     verify(key+"2", signatureUse, list),
		"another use":     verify(key, "git", list),
	} {
		if err == nil {
			t.Errorf("a signature for %s verifies", what)
		}
	}
	page, err := os.ReadFile("../../docs/releases.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "ssh-keygen -Y verify -f allowed_signers -I releases@sessiontool -n "+signatureUse+" -s SHA256SUMS.sig < SHA256SUMS") {
		t.Error("docs/releases.md does not show how to verify")
	}
	if err := r.sign(t.Context(), filepath.Join(dir, "none")); err == nil {
		t.Error("a key that is not there signs")
	}
}

// A key of minisign is given to minisign.
func TestSignWithMinisign(t *testing.T) {
	dir := t.TempDir()
	fake := "#!/bin/sh\n[ \"$1 $2 $4\" = '-S -s -m' ] && echo signature > \"$5.minisig\"\n"
	if err := os.WriteFile(filepath.Join(dir, "minisign"), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	key := filepath.Join(dir, "minisign.key")
	if err := os.WriteFile(key, []byte("untrusted comment: minisign encrypted secret key\nRW\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &release{out: dir}
	if err := r.write(checksumsFile, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.sign(t.Context(), key); err != nil || r.files[len(r.files)-1] != checksumsFile+".minisig" {
		t.Errorf("%v, %q", err, r.files)
	}
}
