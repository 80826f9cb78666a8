//go:build !windows

package keystore

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// flocks are the locks of unsuitable file systems.
var flocks = map[string]func(*os.File, bool) error{
	"granted to all": func(*os.File, bool) error { return nil },
	"unsupported":    func(*os.File, bool) error { return syscall.ENOSYS },
	"no lock server": func(*os.File, bool) error { return errors.New("no locks available") },
}

// Create refuses a file system without exclusive locks before it creates anything there.
func TestUnsuitableFileSystem(t *testing.T) {
	saved := backup(t, newFilledStore(t))
	for name, flock := range flocks {
		options, dir := Options{flock: flock}, filepath.Join(t.TempDir(), "keystore")
		_, createErr := Create(t.Context(), dir, Unlock{}, options)
		_, restoreErr := Restore(t.Context(), dir, bytes.NewReader(saved), passphrase("saved"), options)
		for _, err := range []error{createErr, restoreErr} {
			if !errors.Is(err, ErrUnsuitable) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s: got error %v", name, err)
			}
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("%s: %d files were left, error %v", name, len(entries), err)
		}
	}
}

// Update refuses a keystore that was copied to such a file system, and writes nothing.
func TestKeystoreOnUnsuitableFileSystem(t *testing.T) {
	for name, flock := range flocks {
		store := newTestStore(t)
		moved, err := Open(t.Context(), store.dir, Unlock{}, Options{flock: flock})
		if err == nil {
			err = moved.Update(t.Context(), "alice", func(tx *Tx) error {
				t.Errorf("%s: the update has begun", name)
				return nil
			})
		}
		if !errors.Is(err, ErrUnsuitable) || !strings.Contains(err.Error(), store.dir) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

func TestProbeIsDoneOnce(t *testing.T) {
	locks := 0
	store, err := Open(t.Context(), newTestStore(t).dir, Unlock{},
		Options{flock: func(file *os.File, exclusive bool) error {
			locks++
			return takeLock(file, exclusive)
		}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		put(t, store, "alice", "t", "n", "v")
	}
	if locks != 1+1+3 {
		t.Errorf("%d locks for an open, a probe and three updates", locks)
	}
}

// A path that is not a regular file is refused at once, also where opening it would block.
func TestNamedPipe(t *testing.T) {
	for _, name := range []string{databaseName, keyFileName} {
		store := newTestStore(t)
		path := filepath.Join(store.dir, name)
		if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
			t.Fatal(err)
		}
		want := map[string]error{databaseName: ErrCorrupt, keyFileName: ErrKeyFile}[name]
		if _, err := Open(t.Context(), store.dir, Unlock{}, Options{}); !errors.Is(err, want) {
			t.Errorf("%s: Open: got error %v", name, err)
		}
		if _, err := Create(t.Context(), store.dir, Unlock{}, Options{}); !errors.Is(err, want) {
			t.Errorf("%s: Create: got error %v", name, err)
		}
		err := store.Update(t.Context(), "alice", func(*Tx) error { return nil })
		if name == databaseName && !errors.Is(err, ErrCorrupt) {
			t.Errorf("Update: got error %v", err)
		}
	}
}

// A keystore without write permission can be read, and an Update returns ErrNotWritable. Root may write every file, so
// the child runs as another user then.
func TestReadOnlyFile(t *testing.T) {
	store := newTestStore(t)
	put(t, store, "alice", "t", "n", "v")
	if err := os.Chmod(filepath.Join(store.dir, databaseName), 0o400); err != nil {
		t.Fatal(err)
	}
	cmd := child(t, "change", store.dir)
	if os.Geteuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		for _, name := range []string{"", databaseName, keyFileName} {
			if err := os.Chown(filepath.Join(store.dir, name), nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		readable, err := os.ReadFile(cmd.Path) // the other user may not read the binary's folder
		cmd.Path = filepath.Join(t.TempDir(), "keystore.test")
		if err = errors.Join(err, os.WriteFile(cmd.Path, readable, 0o755)); err != nil {
			t.Fatal(err)
		}
		for dir := filepath.Dir(cmd.Path); dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

// A lack of file descriptors is not reported as a wrong key.
func TestTooManyFiles(t *testing.T) {
	store := newTestStore(t)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	var files []*os.File
	defer func() {
		for _, file := range files {
			file.Close()
		}
	}()
	first, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, first)
	low.Cur = uint64(first.Fd()) + 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}()
	for range 3 {
		_, err := Open(t.Context(), store.dir, Unlock{}, Options{})
		if err != nil && (!errors.Is(err, syscall.EMFILE) || errors.Is(err, ErrKeyFile) || errors.Is(err, ErrCorrupt)) {
			t.Errorf("got error %v", err)
		}
		file, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		files = append(files, file)
	}
	if _, err := Open(t.Context(), store.dir, Unlock{}, Options{}); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("without descriptors: %v", err)
	}
}

// sweep removes what killed processes have left, and keeps what a process is about to publish.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, databaseName)
	left, held := path+temporarySuffix+"1", path+temporarySuffix+"2"
	for _, name := range []string{left, held} {
		if err := os.WriteFile(name, []byte("half of a backup"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other, err := os.Open(held)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := takeLock(other, true); err != nil {
		t.Fatal(err)
	}
	err = publish(path, Options{}.withDefaults(), func(*os.File) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was left is there: %v", err)
	}
	if _, err := os.Stat(held); err != nil {
		t.Errorf("what is held is gone: %v", err)
	}
}

// A header that asks for more than this machine may spend is refused at once; a slow derivation ends with its context.
func TestCostlyPassphrase(t *testing.T) {
	open := func(ctx context.Context, p kdf) error {
		f, data := newFormat(), newSecret()
		_, err := passphrase("x").open(ctx, "", header{format: f, wrap: sealedAtNoCost(f, data, p)})
		return err
	}
	for _, p := range []kdf{{memory: 1 << 20, passes: 64, threads: 16}, {memory: 1 << 20, passes: 5, threads: 1}} {
		if err := open(t.Context(), p); !errors.Is(err, ErrTooCostly) {
			t.Errorf("%+v: got error %v", p, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := errors.New("time is up")
	cancel(ended)
	if err := open(ctx, kdf{memory: 256 << 10, passes: 4, threads: 1}); !errors.Is(err, ended) {
		t.Errorf("got error %v", err)
	}
	if err := open(t.Context(), cheap.kdf); !errors.Is(err, ErrPassphrase) {
		t.Errorf("what is cheap: got error %v", err)
	}
	if err := (kdf{memory: 1 << 20, passes: 4, threads: 1}).affordable(); err != nil && memoryLimit() >= 2<<30 {
		t.Error(err)
	}
}

// sealedAtNoCost returns a wrap with parameters that were not used to seal it.
func sealedAtNoCost(f format, data secret, p kdf) wrap {
	w := newPassphraseWrap(p)
	w.seal(f, newSecret(), data)
	return w
}
