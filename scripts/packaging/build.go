package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// target is an operating system and architecture, in Go's names.
type target struct{ os, arch string }

// allTargets lists the targets of a release.
var allTargets = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64",
	"windows/arm64"}

func parseTarget(name string) (target, error) {
	if !slices.Contains(allTargets, name) {
		return target{}, fmt.Errorf("%q is none of %s", name, strings.Join(allTargets, ", "))
	}
	os, arch, _ := strings.Cut(name, "/")
	return target{os, arch}, nil
}

// name is the prefix of the target's files.
func (r *release) name(t target) string {
	return fmt.Sprintf("sessiontool-%s-%s-%s", r.version, t.os, t.arch)
}

// build makes the binary and returns its path.
func (r *release) build(ctx context.Context, t target) (string, error) {
	name := r.name(t)
	if t.os == "windows" {
		name += ".exe"
	}
	path, err := filepath.Abs(filepath.Join(r.out, name))
	if err != nil {
		return "", err
	}
	// Git's description of the folder depends on how the sources came there, so the build names the commit.
	flags := fmt.Sprintf("-s -w -X sessiontool/commands.version=%s -X sessiontool/commands.revision=%s", r.version,
		r.commit)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", path,
		"./cmd/sessiontool")
	cmd.Dir, cmd.Stderr = r.root, os.Stderr
	// The builder's other settings for Go must not get into the binary.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch,
		"GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off", "GOWORK=off")
	if err := cmd.Run(); err != nil {
		return "", err
	}
	r.files = append(r.files, name)
	return path, nil
}

// writeChecksums writes SHA256SUMS for 'sha256sum --check'.
func (r *release) writeChecksums() error {
	slices.Sort(r.files)
	var list strings.Builder
	for _, name := range r.files {
		content, err := os.ReadFile(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(content), name)
	}
	return r.write(checksumsFile, []byte(list.String()))
}
