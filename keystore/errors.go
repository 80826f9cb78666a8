package keystore

import "errors"

var (
	// ErrNotFound reports that there is no keystore in the directory.
	ErrNotFound = errors.New("keystore not found")
	// ErrExists reports that the directory already has a keystore.
	ErrExists = errors.New("keystore already exists")
	// ErrPermissions reports a directory or file that other users may access. The message has the command that mends it.
	ErrPermissions = errors.New("keystore is open to other users")
	// ErrLocked reports that others held the lock for all of Options.LockTimeout.
	ErrLocked = errors.New("keystore is locked")
	// ErrVersion reports a keystore that a newer version of the program wrote.
	ErrVersion = errors.New("keystore has a newer format than this program knows")
	// ErrCorrupt reports bytes that this package did not write, or not there.
	ErrCorrupt = errors.New("keystore is corrupt")

	// ErrPassphraseRequired reports a keystore that has a passphrase when none, or an empty one, was given.
	ErrPassphraseRequired = errors.New("keystore needs a passphrase")
	// ErrPassphrase reports a wrong passphrase.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrKeyFile reports a key file that is missing, malformed, or not of this keystore.
	ErrKeyFile = errors.New("key file does not open the keystore")

	// ErrAccountName reports an account name that is not 1 to 64 letters, digits, dots, underscores or hyphens (ASCII).
	ErrAccountName = errors.New("account name is not 1 to 64 letters, digits, dots, underscores or hyphens")
	// ErrAccountNotFound reports an account that the keystore does not have.
	ErrAccountNotFound = errors.New("account not found")
	// ErrSeveralAccounts reports a keystore with several accounts when the only one was asked for.
	ErrSeveralAccounts = errors.New("the keystore has several accounts")
	// ErrAccountExists reports an account that the keystore already has.
	ErrAccountExists = errors.New("account already exists")

	// ErrTooLarge reports a value above MaxValueSize or a name above MaxNameSize.
	ErrTooLarge = errors.New("record is too large")
	// ErrSequence reports a sequence number that Append has not handed out.
	ErrSequence = errors.New("sequence number was never handed out")
	// ErrReadOnly reports a change asked of a View.
	ErrReadOnly = errors.New("transaction is read-only")
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
