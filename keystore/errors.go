package keystore

import (
	"errors"

	"sessiontool/keystore/internal/tree"
)

var (
	// ErrNotFound reports that there is no keystore in the directory.
	ErrNotFound = errors.New("keystore not found")
	// ErrExists reports that the directory already has a keystore.
	ErrExists = errors.New("keystore already exists")
	// ErrPermissions reports a directory or file that belongs to another user or that other users may access. The
	// message contains the command that fixes it.
	ErrPermissions = errors.New("open to other users")
	// ErrLocked reports that other processes held the lock for all of [Options.LockTimeout].
	ErrLocked = errors.New("keystore is locked")
	// ErrVersion reports a keystore written by a newer version of the program.
	ErrVersion = tree.ErrVersion
	// ErrCorrupt reports missing bytes, or bytes that this package did not write.
	ErrCorrupt = tree.ErrCorrupt
	// ErrUnsuitable reports a file system without locks, or with locks that do not exclude other processes.
	ErrUnsuitable = errors.New("the file system cannot keep a keystore")
	// ErrNotWritable reports a keystore that can be read but not written.
	ErrNotWritable = errors.New("keystore cannot be written")
	// ErrTooCostly reports a header whose key derivation needs more memory or time than this machine may spend.
	ErrTooCostly = errors.New("opening asks for more than this machine may spend")

	// ErrPassphraseRequired reports that a keystore needs a passphrase and none, or an empty one, was given.
	ErrPassphraseRequired = errors.New("keystore needs a passphrase")
	// ErrPassphrase reports a wrong passphrase.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrKeyFile reports a key file that is missing, malformed, or that of another keystore.
	ErrKeyFile = errors.New("key file does not open the keystore")

	// ErrAccountName reports an account name that is not 1 to 64 ASCII letters, digits, dots, underscores or hyphens.
	ErrAccountName = errors.New("account name is not 1 to 64 letters, digits, dots, underscores or hyphens")
	// ErrAccountNotFound reports an account that the keystore does not have.
	ErrAccountNotFound = errors.New("account not found")
	// ErrSeveralAccounts reports that no account was named and the keystore has several.
	ErrSeveralAccounts = errors.New("the keystore has several accounts")
	// ErrAccountExists reports an account that the keystore already has.
	ErrAccountExists = errors.New("account already exists")

	// ErrTooLarge reports a value above [MaxValueSize] or a name above [MaxNameSize].
	ErrTooLarge = errors.New("record is too large")
	// ErrSequence reports a sequence number that [Tx.Append] has not returned.
	ErrSequence = errors.New("sequence number was never handed out")
	// ErrReadOnly reports a change within a View.
	ErrReadOnly = tree.ErrReadOnly
	// ErrTxDone reports the use of a Tx after its function returned.
	ErrTxDone = errors.New("transaction is over")
)

const (
	// MaxValueSize is the largest value in bytes.
	MaxValueSize = 4 << 20
	// MaxNameSize is the longest record name in bytes.
	MaxNameSize = 256
	// MaxAccountNameSize is the longest account name in bytes.
	MaxAccountNameSize = 64
)
