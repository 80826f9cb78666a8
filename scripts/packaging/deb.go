package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
)

// writeDeb makes a Debian package of a binary, its manual, its completions and the examples.
func (r *release) writeDeb(ctx context.Context, t target, binary string) error {
	stage, err := os.MkdirTemp("", "sessiontool-deb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := r.generate(ctx, stage); err != nil {
		return err
	}
	contents, err := r.packageFiles(binary, stage)
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "sessiontool", Arch: t.arch, Platform: "linux", Version: r.debVersion(), VersionSchema: "none",
		Section: "net", Priority: "optional", Maintainer: "the sessiontool authors <sessiontool@localhost>",
		Description: "scriptable command line for the Session messenger\n" +
			"One command per operation, JSON in, JSON out: identities, friend requests,\n" +
			"messages, swarms, proof of work, onion requests, and the service nodes\nthemselves.",
		MTime: r.when, DisableGlobbing: true,
		Overridables: nfpm.Overridables{Contents: contents, Deb: nfpm.Deb{Compression: "gzip:9"}},
	})
	var out bytes.Buffer
	if err := deb.Default.Package(info, &out); err != nil {
		return err
	}
	return r.write(fmt.Sprintf("sessiontool_%s_%s.deb", r.debVersion(), t.arch), out.Bytes())
}

// debVersion is the version in Debian's order: what follows a hyphen sorts before the version without it.
func (r *release) debVersion() string {
	number, special, found := strings.Cut(r.version, "-")
	if !found {
		return number
	}
	return number + "~" + strings.ReplaceAll(special, "-", ".")
}

// generate writes man pages and completion scripts to the folders man and completions of stage. It runs a program of
// this machine, whatever the target is.
func (r *release) generate(ctx context.Context, stage string) error {
	cmd := exec.CommandContext(ctx, "go", "run", "./commands/generate", "-packages", stage)
	cmd.Dir, cmd.Stderr = r.root, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH, "GOFLAGS=",
		"GOWORK=off")
	return cmd.Run()
}

// made lists which generated files go into which folder. Manuals are compressed there.
var made = []struct{ pattern, folder string }{
	{"man/*.1", "usr/share/man/man1/"},
	{"man/*.7", "usr/share/man/man7/"},
	{"completions/_sessiontool", "usr/share/zsh/vendor-completions/"},
	{"completions/sessiontool.fish", "usr/share/fish/vendor_completions.d/"},
}

// kept lists which files of the repository go into which folder.
var kept = []struct{ pattern, folder string }{
	{"scripts/examples/*", docFolder + "examples/"},
}

// renamed lists the files of the repository that have another name when they are installed.
var renamed = map[string]string{
	"LICENSE":      docFolder + "copyright",
	"CHANGELOG.md": docFolder + "changelog.gz",
}

const docFolder = "usr/share/doc/sessiontool/"

// packageFiles lists the files to install. It finds generated files in stage and writes compressed copies there: stage
// must exist until the package is made.
func (r *release) packageFiles(binary, stage string) (files.Contents, error) {
	places := map[string]string{
		binary: "usr/bin/sessiontool",
		filepath.Join(stage, "completions", "sessiontool.bash"): "usr/share/bash-completion/completions/sessiontool",
	}
	for from, to := range renamed {
		places[filepath.Join(r.root, filepath.FromSlash(from))] = to
	}
	find := func(root, pattern, folder string) error {
		paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err == nil && len(paths) == 0 {
			err = fmt.Errorf("there is no %s", pattern)
		}
		for _, from := range paths {
			places[from] = folder + filepath.Base(from)
			if strings.HasPrefix(folder, "usr/share/man/") {
				places[from] += ".gz"
			}
		}
		return err
	}
	for _, some := range made {
		if err := find(stage, some.pattern, some.folder); err != nil {
			return nil, err
		}
	}
	for _, some := range kept {
		if err := find(r.root, some.pattern, some.folder); err != nil {
			return nil, err
		}
	}
	var contents files.Contents
	for from, to := range places {
		content, err := r.packageFile(from, to, stage)
		if err != nil {
			return nil, err
		}
		contents = append(contents, content)
	}
	return contents, nil
}

// packageFile describes a file that will be installed. A file whose new name ends in .gz is compressed into stage. Only
// the executable bit of the mode counts, so that the builder's umask does not show.
func (r *release) packageFile(from, to, stage string) (*files.Content, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	mode := os.FileMode(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	if path.Ext(to) == ".gz" {
		if from, err = compress(from, stage); err != nil {
			return nil, err
		}
	}
	return &files.Content{
		Source: from, Destination: "/" + to,
		FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.when},
	}, nil
}

// compress writes a gzip copy of a file to dir, without name and time, and returns its path.
func compress(from, dir string) (string, error) {
	content, err := os.ReadFile(from)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	_, err = w.Write(content)
	if err := errors.Join(err, w.Close()); err != nil {
		return "", err
	}
	to := filepath.Join(dir, filepath.Base(from)+".gz")
	return to, os.WriteFile(to, b.Bytes(), 0o644)
}
