package keystore

import (
	"context"
	"fmt"
	"os"
	"time"
)

// DefaultLockTimeout is how long a transaction waits for others by default.
const DefaultLockTimeout = 10 * time.Second

// Stages that Options.CommitHook is told of.
const (
	// StageKeyFile: the key file is on disk, and no keystore refers to it yet.
	StageKeyFile = "key file"
	// StagePublish: a new keystore is complete on disk under a temporary name.
	StagePublish = "publish"
	// StageConverting: the new file of a keystore of format 1 is complete and has not its name yet.
	StageConverting = "converting"
	// StageConverted: it has its name, and the old file is not overwritten yet.
	StageConverted = "converted"
	// StageBeforeCommit: a transaction has made its changes in memory, and none on disk.
	StageBeforeCommit = "before commit"
	// StageAfterCommit: a transaction is durable, and its caller does not know yet.
	StageAfterCommit = "after commit"
)

// Options are the rarely needed settings of a Store. The zero value is good.
type Options struct {
	// LockTimeout is how long a transaction waits for others before it returns ErrLocked. Zero means
	// DefaultLockTimeout.
	LockTimeout time.Duration
	// CommitHook is for tests of crash safety: it is called at each of the stages, under the lock, and may end the
	// process. Nil in production.
	CommitHook func(stage string)

	kdf   kdf                                       // of new passphrases; zero means defaultKDF
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

// wait bounds ctx by the lock timeout, after which its cause is ErrLocked.
func (o Options) wait(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, o.LockTimeout, fmt.Errorf("%w: waited %s", ErrLocked, o.LockTimeout))
}

// reach tells the hook, if there is one, how far a change has come.
func (o Options) reach(stage string) {
	if o.CommitHook != nil {
		o.CommitHook(stage)
	}
}
