//go:build unix

package simulation

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"

	"sessiontool/keystore"
	"sessiontool/lib/node/store"
)

// The faults of a disk while they last: no room, no writing at all, or one error of the next write or sync.
var diskFaults = []string{"full", "read-only", "write-once", "sync-once"}

// errDead is what a killed program gets of everything that it still tries.
var errDead = errors.New("the program was killed")

// A power failure tears a write between sectors, and the death of a process between pages of memory (bytes).
const (
	sector = 512
	page   = 4096
)

// disk is the disk of one machine: it knows which bytes of the keystores on it are not synced. The files themselves are
// those of a folder in memory, and have all writes.
type disk struct {
	mu    sync.Mutex
	files map[string]*unsynced
	fault string
	had   bool // a fault
}

// unsynced is what a file has lost if the power fails now.
type unsynced struct {
	before map[int64][]byte // sectors as they were at the last sync
	writes []pending
}

// pending is a write that is not synced.
type pending struct {
	at   int64
	data []byte
}

func newDisk() *disk { return &disk{files: make(map[string]*unsynced)} }

// set begins or ends a fault.
func (d *disk) set(fault string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
	d.had = d.had || fault != ""
}

// faulty reports whether the disk has a fault, or has had one.
func (d *disk) faulty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.had
}

// failing returns the error of a write or sync.
func (d *disk) failing(sync bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.fault == "full" && !sync:
		return syscall.ENOSPC
	case d.fault == "read-only" && !sync:
		return syscall.EROFS
	case d.fault == "write-once" && !sync, d.fault == "sync-once" && sync:
		d.fault = ""
		return syscall.EIO
	}
	return nil
}

// file is a file as one program or node has it open.
type file struct {
	keystore.Disk
	path string
	user user
	disk *disk
}

// user is the program or node that uses a file, and that may die at each step.
type user interface {
	step(what string) (dying bool, err error)
	isDead() bool
	die()
	losesPower() bool // when it dies
	tear(n int) int   // draws a number below n that decides what is left of the last write
	count(what string, n int)
}

// open is a [keystore.Options] Disk.
func (p *program) open(path string, raw keystore.Disk) keystore.Disk {
	return &file{raw, path, p, p.person.disk}
}

// storeFile is a file of a node's store.
type storeFile struct {
	file
	store.File
}

func (f *storeFile) ReadAt(b []byte, at int64) (int, error)  { return f.file.ReadAt(b, at) }
func (f *storeFile) WriteAt(b []byte, at int64) (int, error) { return f.file.WriteAt(b, at) }
func (f *storeFile) Sync() error                             { return f.file.Sync() }
func (f *storeFile) Truncate(size int64) error               { return f.file.Truncate(size) }
func (f *storeFile) Size() (int64, error)                    { return f.file.Size() }

func (f *file) ReadAt(b []byte, at int64) (int, error) {
	if f.user.isDead() {
		return 0, errDead
	}
	return f.Disk.ReadAt(b, at)
}

func (f *file) WriteAt(b []byte, at int64) (int, error) {
	dying, err := f.user.step("write")
	if err != nil {
		return 0, err
	}
	if err := f.disk.failing(false); err != nil {
		f.user.count("disk errors", 1)
		return 0, err
	}
	part := b
	if dying && !f.user.losesPower() {
		// A killed process may have written some of the pages.
		end := (at + int64(f.user.tear(len(b)+page))) / page * page
		part = b[:min(max(end-at, 0), int64(len(b)))]
	}
	n, err := f.write(part, at)
	if dying {
		f.user.die()
		return 0, errDead
	}
	return n, err
}

// write writes and remembers what was there before.
func (f *file) write(b []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	u := f.disk.files[f.path]
	if u == nil {
		u = &unsynced{before: make(map[int64][]byte)}
		f.disk.files[f.path] = u
	}
	begin := at / sector * sector
	var old []byte
	for from := begin; from < at+int64(len(b)); from += sector {
		if u.before[from] != nil {
			continue
		}
		if old == nil {
			old = make([]byte, (at+int64(len(b))-begin+sector-1)/sector*sector)
			n, _ := f.Disk.ReadAt(old, begin) // what is behind the end of the file is nothing
			old = old[:n:n]
		}
		u.before[from] = old[min(from-begin, int64(len(old))):min(from-begin+sector, int64(len(old)))]
	}
	u.writes = append(u.writes, pending{at, slices.Clone(b)})
	return f.Disk.WriteAt(b, at)
}

// Sync makes the writes durable. The file in memory needs no sync.
func (f *file) Sync() error {
	dying, err := f.user.step("sync")
	if err != nil {
		return err
	}
	if err := f.disk.failing(true); err != nil {
		f.user.count("disk errors", 1)
		return err
	}
	if !dying || f.user.tear(2) == 1 {
		f.disk.mu.Lock()
		delete(f.disk.files, f.path)
		f.disk.mu.Unlock()
	}
	if dying {
		f.user.die()
		return errDead
	}
	return nil
}

func (f *file) Truncate(size int64) error {
	dying, err := f.user.step("truncate")
	if err != nil {
		return err
	}
	now, err := f.Disk.Size()
	if err != nil {
		return err
	}
	if err := f.disk.failing(false); err != nil && size > now {
		return err
	}
	err = f.Disk.Truncate(size)
	if dying {
		f.user.die()
		return errDead
	}
	return err
}

// losePower leaves the files as a disk without power may: of the writes since the last sync any may be there, whole or
// some sectors of them, and others not. Sizes of files are kept.
func (d *disk) losePower(random *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = ""
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(d.files)) {
		errs = append(errs, d.files[path].lose(path, random))
	}
	clear(d.files)
	return errors.Join(errs...)
}

func (u *unsynced) lose(path string, random *rand.Rand) (err error) {
	raw, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a temporary file that is gone
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, raw.Close()) }()
	for _, from := range slices.Sorted(maps.Keys(u.before)) {
		if _, err := raw.WriteAt(u.before[from], from); err != nil {
			return err
		}
	}
	for _, w := range u.writes {
		switch random.IntN(3) {
		case 0: // lost
		case 1:
			if _, err := raw.WriteAt(w.data, w.at); err != nil {
				return err
			}
		case 2:
			for from := 0; from < len(w.data); from += sector {
				if random.IntN(2) == 0 {
					continue
				}
				if _, err := raw.WriteAt(w.data[from:min(from+sector, len(w.data))], w.at+int64(from)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
