// Command packaging makes a release: static binaries, Debian packages, a bill of materials for each binary, and the
// checksums of all of them.
//
// The same sources, commit and Go version give the same bytes, in any folder and for any user: times are those of the
// commit, and nothing of the machine gets into a file. It needs Go alone, and no network beyond Go's module proxy.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is one release in progress.
type release struct {
	root    string // the repository
	out     string // where the files go
	version string // as in 1.2.3, or 0.0.0-20060102150405-abcdef123456 between releases
	commit  string
	when    time.Time // the commit's
	files   []string  // names of what was made
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	root := flags.String("root", "../..", "the repository's folder")
	out := flags.String("out", "dist", "folder for the files, below the repository's unless it is absolute")
	targets := flags.String("targets", strings.Join(allTargets, ","), "which systems to build for")
	commit := flags.String("commit", "", "the commit, where there is no git to ask")
	when := flags.String("time", "", "the commit's time (RFC 3339), where there is no git to ask")
	key := flags.String("sign", "", "sign the checksums with this key of ssh or minisign")
	version := flags.String("version", "", "the version (default: the commit's tag)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r := &release{root: *root, out: *out, version: *version}
	if !filepath.IsAbs(r.out) {
		r.out = filepath.Join(r.root, r.out)
	}
	if err := r.identify(ctx, *commit, *when); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for name := range strings.SplitSeq(*targets, ",") {
		target, err := parseTarget(name)
		if err != nil {
			return err
		}
		if err := r.make(ctx, target); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := r.writeChecksums(); err != nil {
		return err
	}
	if *key != "" {
		if err := r.sign(ctx, *key); err != nil {
			return err
		}
	}
	for _, name := range r.files {
		fmt.Println(filepath.Join(r.out, name))
	}
	return nil
}

// make makes all files of one target.
func (r *release) make(ctx context.Context, target target) error {
	binary, err := r.build(ctx, target)
	if err != nil {
		return err
	}
	if err := r.writeMaterials(binary, r.name(target)); err != nil {
		return err
	}
	if target.os != "linux" {
		return nil
	}
	return r.writeDeb(ctx, target, binary)
}

// write makes one file of the release.
func (r *release) write(name string, content []byte) error {
	r.files = append(r.files, name)
	return os.WriteFile(filepath.Join(r.out, name), content, 0o644)
}
