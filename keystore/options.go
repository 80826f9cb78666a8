package keystore

import (
	"context"
	"fmt"
	"os"
	"time"

	"sessiontool/keystore/internal/tree"
)

// DefaultLockTimeout is how long a transaction waits for other processes by default.
const DefaultLockTimeout = 10 * time.Second

// The stages at which a Store calls [Options.CommitHook].
const (
	// StageKeyFile: the key file is on disk, and no keystore uses it yet.
	StageKeyFile = "key file"
	// StagePublish: a new keystore is complete on disk under a temporary name.
	StagePublish = "publish"
	// StageConverting: the new file of a keystore of format 1 is complete under a temporary name.
	StageConverting = "converting"
	// StageConverted: the new file has its name, and the old file is not overwritten yet.
	StageConverted = "converted"
	// StageBeforeCommit: a transaction has made its changes in memory and none on disk.
	StageBeforeCommit = "before commit"
	// StageAfterCommit: a transaction is durable, and its caller has not returned yet.
	StageAfterCommit = "after commit"
)

// Disk is the open file of a keystore as transactions use it. Sync makes all writes durable.
type Disk = tree.File

// Options are rarely needed settings of a [Store]. The zero value is ready to use.
type Options struct {
	// LockTimeout is how long a transaction waits for other processes before it returns [ErrLocked]. Zero means
	// [DefaultLockTimeout].
	LockTimeout time.Duration
	// CommitHook is for tests of crash safety. It is called under the lock at each stage and may end the process. Nil
	// in production.
	CommitHook func(stage string)
	// Disk is for tests of disks that fail. It stands between transactions and the file of that path: it returns what
	// they use in place of file. Nil in production.
	Disk func(path string, file Disk) Disk

	kdf   kdf                                       // for new passphrases; zero means defaultKDF
	flock func(file *os.File, exclusive bool) error // nil means takeLock
}

func (o Options) withDefaults() Options {
	if o.LockTimeout == 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	if o.flock == nil {
		o.flock = takeLock
	}
	if o.kdf == (kdf{}) {
		o.kdf = defaultKDF
	}
	return o
}

// wait bounds ctx by the lock timeout; the cause is then [ErrLocked].
func (o Options) wait(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, o.LockTimeout, fmt.Errorf("%w: waited %s", ErrLocked, o.LockTimeout))
}

// disk returns what transactions use in place of a file.
func (o Options) disk(file *os.File) Disk {
	if o.Disk != nil {
		return o.Disk(file.Name(), disk{file})
	}
	return disk{file}
}

// reach calls the hook, if there is one.
func (o Options) reach(stage string) {
	if o.CommitHook != nil {
		o.CommitHook(stage)
	}
}
