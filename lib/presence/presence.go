// Package presence tells whether the process that claimed a piece of shared work is still alive.
//
// Before a process claims anything it announces itself by holding a lock on a file of its own. The lock goes with the
// process, however it ends, so work that a killed process left behind can be taken over at once, and work in progress is
// never done twice. A process that ends well removes its file, so that the file tells for a while who did not. Process
// numbers would not do: they are reused, and they mean nothing in another container.
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
	"sync"
	"time"
)

const suffix = ".live"

// keepCrashed is how long the file of a process that was killed is kept.
const keepCrashed = 2 * time.Hour

// State is what became of a process.
type State int

// The states. Gone processes ended well, or crashed long ago, or never were.
const (
	Gone State = iota
	Alive
	Crashed
)

// Presence is this process among those that share a folder. It is safe for concurrent use. The zero value is not usable:
// see In.
type Presence struct {
	dir  string
	name string

	mu   sync.Mutex
	lock *os.File // nil until the process is announced
}

// In returns a presence in dir that is not announced yet.
func In(dir string) *Presence {
	var id [8]byte
	rand.Read(id[:])
	return &Presence{dir: dir, name: hex.EncodeToString(id[:])}
}

// Announce creates the folder if needed (0700) and a locked file in it, unless there is one already. Old files of crashed
// processes are removed.
func (p *Presence) Announce() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lock != nil {
		return nil
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	sweep(p.dir)
	lock, err := createLocked(p.path(p.name))
	if err != nil {
		return fmt.Errorf("announcing this process: %w", err)
	}
	p.lock = lock
	return nil
}

// Name identifies this process in the work that it claims. To others it lives only once it is announced.
func (p *Presence) Name() string { return p.name }

// Look tells what became of the process that announced itself in the same folder as name.
func (p *Presence) Look(name string) State {
	if name == p.name {
		return Alive
	}
	return Look(p.dir, name)
}

// Look tells what became of the process that announced itself in dir as name. The empty name is nobody. It must not be
// asked about the own process, see Presence.Look.
func Look(dir, name string) State {
	if name == "" || strings.ContainsAny(name, `/\.`) {
		return Gone
	}
	path := filepath.Join(dir, name+suffix)
	if isLocked(path) {
		return Alive
	}
	if _, err := os.Stat(path); err != nil {
		return Gone
	}
	return Crashed
}

func (p *Presence) path(name string) string { return filepath.Join(p.dir, name+suffix) }

// Close ends the announcement, if there is one.
func (p *Presence) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lock == nil {
		return nil
	}
	if err := p.lock.Close(); err != nil {
		return err
	}
	p.lock = nil
	if err := os.Remove(p.path(p.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sweep removes what crashed processes left long ago. It is a courtesy: failures leave a small file behind, nothing
// else.
func sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := entry.Info()
		if err == nil && strings.HasSuffix(path, suffix) && time.Since(info.ModTime()) > keepCrashed && !isLocked(path) {
			os.Remove(path)
		}
	}
}
