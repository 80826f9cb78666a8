package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// versionForm is the form of a version: three numbers, and an optional pre-release.
var versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

// identify sets version, commit and time: from the arguments, else from git.
func (r *release) identify(ctx context.Context, commit, when string) error {
	if (commit == "") != (when == "") {
		return errors.New("-commit and -time go together")
	}
	tag := ""
	if commit == "" {
		if changed, err := r.git(ctx, "status", "--porcelain"); err != nil || changed != "" {
			return errors.Join(err, errors.New("there are uncommitted changes: a release is made from a commit"))
		}
		line, err := r.git(ctx, "log", "-1", "--format=%H %cI")
		if err != nil {
			return err
		}
		commit, when, _ = strings.Cut(line, " ")
		// Without a tag this is not a release but a build between two of them.
		tag, _ = r.git(ctx, "describe", "--tags", "--exact-match", "--match", "v*")
	}
	var err error
	if r.when, err = time.Parse(time.RFC3339, when); err != nil {
		return err
	}
	r.commit, r.when = commit, r.when.UTC()
	if r.version == "" {
		r.version = strings.TrimPrefix(tag, "v")
	}
	if r.version == "" {
		r.version = fmt.Sprintf("0.0.0-%s-%.12s", r.when.Format("20060102150405"), r.commit)
		return nil
	}
	if !versionForm.MatchString(r.version) {
		return fmt.Errorf("%q is not a version like 1.2.3", r.version)
	}
	return r.checkChangelog()
}

// checkChangelog returns an error unless CHANGELOG.md has a heading for the version.
func (r *release) checkChangelog() error {
	changes, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(changes)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "##" && fields[1] == r.version {
			return nil
		}
	}
	return fmt.Errorf("CHANGELOG.md has no heading \"## %s\"", r.version)
}

func (r *release) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", r.root}, args...)...)
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
