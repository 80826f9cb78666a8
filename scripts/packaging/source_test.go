package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// repository makes a git repository with a changelog of version 1.2.3 and one commit.
func repository(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "CHANGELOG.md"),
		[]byte("# Changelog\n\n## Unreleased\n\n## 1.2.3 (2026-01-02)\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "init", "-q")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "first")
	return dir
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@localhost",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@localhost", "GIT_COMMITTER_DATE=2026-01-02T03:04:05+01:00")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// The version is the commit's tag if there is one, else a sortable name of its time and hash.
func TestIdentify(t *testing.T) {
	root := repository(t)
	r := &release{root: root}
	if err := r.identify(t.Context(), "", ""); err != nil {
		t.Fatal(err)
	}
	if want := "0.0.0-20260102020405-" + r.commit[:12]; len(r.commit) != 40 || r.version != want {
		t.Errorf("version %s, want %s", r.version, want)
	}
	if want := time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC); !r.when.Equal(want) {
		t.Errorf("time %s, want %s", r.when, want)
	}
	git(t, root, "tag", "v1.2.3")
	r = &release{root: root}
	if err := r.identify(t.Context(), "", ""); err != nil || r.version != "1.2.3" {
		t.Errorf("version %s, %v", r.version, err)
	}
}

func TestIdentifyRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(root string)
		version string
		want    string
	}{
		"changed files":       {func(root string) { git(t, root, "mv", "CHANGELOG.md", "NEWS.md") }, "", "uncommitted"},
		"a tag without news":  {func(root string) { git(t, root, "tag", "v1.2.4") }, "", `no heading "## 1.2.4"`},
		"no version":          {func(string) {}, "one", "not a version"},
		"a part of a version": {func(string) {}, "1.2", "not a version"},
	} {
		root := repository(t)
		test.prepare(root)
		r := &release{root: root, version: test.version}
		if err := r.identify(t.Context(), "", ""); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Debian sorts a tilde before everything, even the end.
func TestDebVersion(t *testing.T) {
	for version, want := range map[string]string{
		"1.2.3": "1.2.3", "1.2.3-rc.1": "1.2.3~rc.1",
		"0.0.0-20260102020405-0123456789ab": "0.0.0~20260102020405.0123456789ab",
	} {
		if got := (&release{version: version}).debVersion(); got != want {
			t.Errorf("%s gives %s, want %s", version, got, want)
		}
	}
}
