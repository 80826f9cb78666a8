package presence

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAliveUntilClosed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "live")
	first, err := Announce(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Announce(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if !second.Alive(first.Name()) || !first.Alive(second.Name()) || !first.Alive(first.Name()) {
		t.Fatal("a running process counts as dead")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if second.Alive(first.Name()) {
		t.Fatal("a process that is gone counts as alive")
	}
}

// A killed process leaves its file behind without the lock.
func TestKilledProcessIsDead(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "00112233aabbccdd"+suffix)
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Announce(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Alive("00112233aabbccdd") {
		t.Fatal("a file without a lock counts as a living process")
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Fatalf("the dead process's file is still there: %v", err)
	}
}

func TestNobodyIsDead(t *testing.T) {
	p, err := Announce(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, name := range []string{"", "../x", "nobody"} {
		if p.Alive(name) {
			t.Errorf("%q counts as alive", name)
		}
	}
}
