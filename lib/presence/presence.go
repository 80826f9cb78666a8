// Package presence reports whether the process that claimed shared work still runs.
//
// Before a process claims work it announces itself: it creates a file and holds a lock on it. The operating system
// releases the lock when the process ends in any way. Other processes then take over the work of a killed process at
// once, and never work that is in progress. A process that ends normally removes its file, unless it leaves work
// unfinished. A file without a lock therefore means a crash, until the file is removed. A process number cannot serve as
// a name: the system reuses it, and each container has its own.
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

// keepCrashed is how long the file of a killed process is kept, from when another process first finds it.
const keepCrashed = 2 * time.Hour

// State is the state of a process.
type State int

// The states. A process is Gone if it ended normally, crashed more than two hours ago, or never existed.
const (
	Gone State = iota
	Alive
	Crashed
)

// Presence announces this process to the others that share a folder. It is safe for concurrent use. [In] makes one. The
// zero value is not usable.
type Presence struct {
	dir  string
	name string

	mu   sync.Mutex
	lock *os.File // nil before Announce
}

// In returns the presence of this process in dir, not announced yet.
func In(dir string) *Presence {
	var id [8]byte
	rand.Read(id[:])
	return &Presence{dir: dir, name: hex.EncodeToString(id[:])}
}

// Announce creates the folder (0700) if it does not exist, and a locked file in it. It also removes old files of
// crashed processes. If the process is already announced it does nothing.
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

// Name identifies this process in the work that it claims. For other processes its state is Gone before Announce.
func (p *Presence) Name() string { return p.name }

// State returns the state of the process that announced itself in the same folder as name.
func (p *Presence) State(name string) State {
	if name == p.name {
		return Alive
	}
	return StateOf(p.dir, name)
}

// StateOf returns the state of the process that announced itself in dir as name. The process of an empty name is Gone.
// For the calling process use [Presence.State].
func StateOf(dir, name string) State {
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

// Close releases the lock and removes the file of this process. Before Announce it does nothing.
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

// Abandon releases the lock but keeps the file: for other processes this one has crashed. It is for a process that ends
// without having finished its work. Before Announce it does nothing.
func (p *Presence) Abandon() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lock == nil {
		return nil
	}
	err := markEnded(p.lock)
	if closeErr := p.lock.Close(); err == nil {
		err = closeErr
	}
	p.lock = nil
	return err
}

// markEnded writes into the file of a process that has ended. The time of its last change is from then on when that was
// first known: the file of a process that ran for days was made long before.
func markEnded(file *os.File) error {
	_, err := file.WriteAt([]byte("ended\n"), 0)
	return err
}

// sweep removes the files of processes that crashed long ago, and marks those that have crashed since the last call. It
// ignores errors, which only leave a small file behind.
func sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := entry.Info()
		if err != nil || !strings.HasSuffix(path, suffix) {
			continue
		}
		switch marked := info.Size() > 0; {
		case marked && time.Since(info.ModTime()) > keepCrashed:
			os.Remove(path)
		case !marked && !isLocked(path):
			if file, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
				_ = markEnded(file)
				file.Close()
			}
		}
	}
}
