// Package presence tells whether the process that claimed a piece of shared work is still alive.
//
// A process announces itself by holding a lock on a file of its own. The lock goes with the process, however it ends,
// so work that a killed process left behind can be taken over at once, and work in progress is never done twice.
// Process numbers would not do: they are reused, and they mean nothing in another container.
package presence

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const suffix = ".live"

// Presence is this process's announcement. The zero value is not usable: see Announce.
type Presence struct {
	dir  string
	name string
	lock *os.File
}

// Announce creates dir if needed (0700) and a locked file in it. Files of processes that are gone are removed.
func Announce(dir string) (*Presence, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	sweep(dir)
	var id [8]byte
	_, err := rand.Read(id[:])
	if err != nil {
		return nil, err
	}
	name := hex.EncodeToString(id[:])
	p := &Presence{dir: dir, name: name}
	if p.lock, err = createLocked(p.path(name)); err != nil {
		return nil, fmt.Errorf("announcing this process: %w", err)
	}
	return p, nil
}

// Name identifies this process in the work that it claims.
func (p *Presence) Name() string { return p.name }

// Alive reports whether the process that announced itself in the same folder as name still runs.
func (p *Presence) Alive(name string) bool { return name == p.name || Alive(p.dir, name) }

// Alive reports whether the process that announced itself in dir as name still runs. The empty name is nobody. It must
// not be asked about the own process, see Presence.Alive.
func Alive(dir, name string) bool {
	if name == "" || strings.ContainsAny(name, `/\.`) {
		return false
	}
	return !removeIfDead(filepath.Join(dir, name+suffix))
}

func (p *Presence) path(name string) string { return filepath.Join(p.dir, name+suffix) }

// Close ends the announcement.
func (p *Presence) Close() error {
	if err := p.lock.Close(); err != nil {
		return err
	}
	if err := os.Remove(p.path(p.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sweep removes what dead processes left. It is a courtesy: failures leave a small file behind, nothing else.
func sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), suffix) {
			removeIfDead(filepath.Join(dir, entry.Name()))
		}
	}
}
