package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	checksumsFile = "SHA256SUMS"
	// signatureUse is the namespace of ssh signatures: one for another use of the key does not verify as one of a
	// release.
	signatureUse = "sessiontool-release"
)

// minisignKey is how the file of a secret key of minisign begins.
var minisignKey = []byte("untrusted comment:")

// sign signs the checksums with a key of the releaser: a secret key of minisign, or a key of ssh, whose public half is
// enough if an agent has the other. The signature is a file beside the checksums. The programs ask for the passphrase.
func (r *release) sign(ctx context.Context, key string) error {
	content, err := os.ReadFile(key)
	if err != nil {
		return fmt.Errorf("the key: %w", err)
	}
	file := filepath.Join(r.out, checksumsFile)
	signature, cmd := checksumsFile+".sig", exec.CommandContext(ctx, "ssh-keygen", "-Y", "sign", "-f", key, "-n", signatureUse, file)
	if bytes.HasPrefix(content, minisignKey) {
		signature = checksumsFile + ".minisig"
		cmd = exec.CommandContext(ctx, "minisign", "-S", "-s", key, "-m", file)
	}
	if err := os.RemoveAll(filepath.Join(r.out, signature)); err != nil {
		return err // ssh-keygen would ask whether to replace it
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("signing with %s: %w", cmd.Args[0], err)
	}
	if _, err := os.Stat(filepath.Join(r.out, signature)); err != nil {
		return fmt.Errorf("%s has made no signature: %w", cmd.Args[0], err)
	}
	r.files = append(r.files, signature)
	return nil
}
