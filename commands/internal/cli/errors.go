package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/account/addressbook"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/devnet"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
	"sessiontool/lib/mnemonic"
	"sessiontool/lib/network"
	"sessiontool/lib/network/listing"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/onion"
	"sessiontool/lib/pow"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/v2message"
	"sessiontool/lib/x3dh"
)

// codedError has the text of one error and the code of another.
type codedError struct{ codeOf, err error }

// WithCode returns an error that reads like err and gets the code of another error.
func WithCode(codeOf, err error) error { return &codedError{codeOf, err} }

func (e *codedError) Error() string   { return e.err.Error() }
func (e *codedError) Unwrap() []error { return []error{e.codeOf, e.err} }

// Errors of the command line itself.
var (
	errUsage            = errors.New("usage")
	errPartialTemporary = errors.New("some items failed for now")
	ErrBadInput         = errors.New("bad input")
	ErrStdinTerminal    = errors.New("stdin is a terminal")
	ErrPartial          = errors.New("some items failed")
	ErrNoNetwork        = errors.New("no network is named and no devnet is running")
	ErrNodeNotFound     = errors.New("no registered service node has that key")
	ErrInvalidPow       = errors.New("the proof of work does not meet the difficulty")
	ErrDevnetRunning    = errors.New("a devnet is running already")
	ErrMnemonic         = errors.New("recovery words are not valid")
	ErrBadTTL           = errors.New("bad time to live")
	ErrBadConfig        = errors.New("bad config file")
	ErrSwarmLag         = errors.New("a member of the swarm lags behind")
	ErrNoTrace          = errors.New("no trace")
	errOutputClosed     = errors.New("stdout is closed, or the null device opened for reading and writing")
)

// UsageError returns err with the code usage.
func UsageError(err error) error { return WithCode(errUsage, err) }

// queuedError is the error of a message that waits in the outbox.
type queuedError struct{ error }

func (e queuedError) Unwrap() error { return e.error }

// Queued returns an error that reads like err, whose record says that the message waits in the outbox.
func Queued(err error) error { return queuedError{err} }

// missingError says what had not come when the time was over.
type missingError struct{ error }

func (e missingError) Unwrap() error { return e.error }

// Missing returns an error that reads like err. If the time of --timeout is over, the final error record has its text.
func Missing(err error) error { return missingError{err} }

// timedOut returns the error of a run that --timeout has ended.
func timedOut(limit time.Duration, err error) error {
	late := fmt.Errorf("timed out after %s", limit)
	var missing missingError
	if errors.As(err, &missing) {
		late = fmt.Errorf("%w: %w", late, missing.error)
	}
	return sameQueue(WithCode(context.DeadlineExceeded, late), err)
}

// sameQueue returns err, marked as [Queued] if the error in whose place it stands is.
func sameQueue(err, before error) error {
	if errors.As(before, new(queuedError)) {
		return Queued(err)
	}
	return err
}

// codeTable maps errors to codes; the first entry that matches counts. [record.Codes] has their meanings.
var codeTable = []struct {
	err  error
	code record.Code
}{
	{errUsage, record.CodeUsage},
	{ErrStdinTerminal, record.CodeStdinTerminal},
	{ErrPartial, record.CodePartial},
	{errPartialTemporary, record.CodePartialTemporary},
	{ErrBadConfig, record.CodeBadConfig},
	{errOutputClosed, record.CodeOutputClosed},
	{ErrNoNetwork, record.CodeNoNetwork},
	{keystore.ErrSeveralAccounts, record.CodeAccountRequired},
	{ErrNodeNotFound, record.CodeNodeNotFound},
	{ErrSwarmLag, record.CodeSwarmLag},
	{ErrNoTrace, record.CodeNoTrace},
	{ErrInvalidPow, record.CodeInvalidPow},
	{pow.ErrUnreachable, record.CodeDifficultyTooHigh},
	{pow.ErrNonce, record.CodeBadEnvelope},
	{sessionid.ErrInvalid, record.CodeBadSessionID},
	{ErrMnemonic, record.CodeBadMnemonic},
	{mnemonic.ErrTooFewWords, record.CodeBadMnemonic},
	{mnemonic.ErrTooManyWords, record.CodeBadMnemonic},
	{mnemonic.ErrMissingChecksum, record.CodeBadMnemonic},
	{mnemonic.ErrInvalidWord, record.CodeBadMnemonic},
	{mnemonic.ErrChecksum, record.CodeBadMnemonic},
	{message.ErrTooLong, record.CodeTextTooLong},
	{account.ErrNoText, record.CodeBadText},
	{message.ErrNotUTF8, record.CodeBadText},
	{account.ErrTTL, record.CodeBadTTL},
	{account.ErrDraftID, record.CodeBadInput},
	{account.ErrGone, record.CodeEntryNotFound},
	{account.ErrInFlight, record.CodeInFlight},
	{account.ErrKeyReused, record.CodeIDReused},
	{account.ErrOnlyAsync, record.CodeUsage},
	{ErrBadTTL, record.CodeBadTTL},
	{account.ErrSelf, record.CodeBadSessionID},
	{inbox.ErrNoEvent, record.CodeRecordNotFound},
	{addressbook.ErrName, record.CodeBadName},
	{addressbook.ErrTaken, record.CodeNameTaken},
	{addressbook.ErrUnknown, record.CodeUnknownName},
	{addressbook.ErrBlocked, record.CodeBlocked},
	{account.ErrUnknownContact, record.CodeUnknownContact},
	{account.ErrNotFriends, record.CodeNotFriends},
	{account.ErrRequestNotFound, record.CodeRequestNotFound},
	{account.ErrRequestPending, record.CodeRequestPending},
	{account.ErrAskedAlready, record.CodeAskedAlready},
	{account.ErrAlreadyFriends, record.CodeAlreadyFriends},
	{account.ErrSafetyNumber, record.CodeSafetyNumber},
	{account.ErrNoKeys, record.CodeNoKeys},
	{account.ErrOtherDevices, record.CodeOtherDevices},
	{keyring.ErrMember, record.CodeLinkedAlready},
	{keyring.ErrNone, record.CodeNotLinked},
	{keyring.ErrNotMember, record.CodeNotLinked},
	{keyring.ErrNoGroup, record.CodeNotLinked},
	{keyring.ErrNotAdmitted, record.CodeNotAdmitted},
	{keyring.ErrUnknownDevice, record.CodeUnknownDevice},
	{keyring.ErrEmoji, record.CodeEmoji},
	{v2message.ErrTooLong, record.CodeTextTooLong},
	{keystore.ErrNotFound, record.CodeKeystoreNotFound},
	{keystore.ErrExists, record.CodeKeystoreExists},
	{keystore.ErrPermissions, record.CodeKeystoreOpen},
	{keystore.ErrUnsuitable, record.CodeUnsuitable},
	{keystore.ErrNotWritable, record.CodeReadOnly},
	{keystore.ErrTooCostly, record.CodeTooCostly},
	{keystore.ErrLocked, record.CodeLocked},
	{errConfigBusy, record.CodeLocked},
	{keystore.ErrPassphraseRequired, record.CodePassphraseRequired},
	{keystore.ErrPassphrase, record.CodeWrongPassphrase},
	{keystore.ErrKeyFile, record.CodeWrongPassphrase},
	{keystore.ErrCorrupt, record.CodeCorruptKeystore},
	{keystore.ErrVersion, record.CodeCorruptKeystore},
	{keystore.ErrAccountName, record.CodeBadAccountName},
	{keystore.ErrAccountNotFound, record.CodeAccountNotFound},
	{keystore.ErrAccountExists, record.CodeAccountExists},
	{network.ErrNoTime, record.CodeNoTime}, // also as the reason of a route.ErrClock
	{route.ErrClock, record.CodeClockSkew},
	{route.ErrRefused, record.CodeRefused},
	{mailbox.ErrGeneration, record.CodeUnsupported},
	{route.ErrDifficulty, record.CodeDifficultyTooHigh},
	{x3dh.ErrSignature, record.CodeBadSignature},
	{network.ErrBadNetwork, record.CodeBadNetwork},
	{storagehttp.ErrProxy, record.CodeProxy}, // also as the cause of the network's errors
	{storagehttp.ErrNoIPv4, record.CodeNoIPv4},
	{storagehttp.ErrCertificate, record.CodeSeedCertificate},
	{listing.Err, record.CodeBadInput},
	{network.ErrTooFewNodes, record.CodeTooFewNodes},
	{network.ErrNoSeed, record.CodeNetworkUnreachable},
	{network.ErrNoPath, record.CodeNetworkUnreachable},
	{network.ErrNoSwarm, record.CodeNetworkUnreachable},
	{network.ErrNoGeneration, record.CodeNetworkUnreachable},
	{route.ErrNotStored, record.CodeNotStored},
	{route.ErrNotDelivered, record.CodeNotDelivered},
	{route.ErrNotRetrieved, record.CodeNotRetrieved},
	{network.ErrTarget, record.CodeNetworkUnreachable},
	{storagehttp.ErrUnreachable, record.CodeNetworkUnreachable},
	{ErrDevnetRunning, record.CodeDevnetRunning},
	{devnet.ErrFault, record.CodeUsage},
	{devnet.ErrPublicIP, record.CodeUsage},
	{devnet.ErrPort, record.CodePortTaken},
	{store.ErrInUse, record.CodeNodeRunning},
	{store.ErrUnsuitable, record.CodeUnsuitable},
	{ring.ErrKeyFile, record.CodeBadNodeFolder},
	{ring.ErrSeedURL, record.CodeBadNetwork},
	{ring.ErrDirectory, record.CodeBadNetwork},
	{ring.ErrRefused, record.CodeRefused},
	{ring.ErrClock, record.CodeClockSkew},
	{devnet.ErrNode, record.CodeNodeNotFound},
	{devnet.ErrControl, record.CodeNetworkUnreachable},
	{envelope.ErrMalformed, record.CodeBadEnvelope},
	{envelope.ErrV2, record.CodeNewerProtocol},
	{envelope.ErrSource, record.CodeBadEnvelope},
	{envelope.ErrTooLarge, record.CodeBadEnvelope},
	{onion.ErrVersion, record.CodeBadNetwork},
	{onion.ErrTooLarge, record.CodeBadInput},
	{onion.ErrNotText, record.CodeBadInput},
	{ErrBadInput, record.CodeBadInput},
	{context.DeadlineExceeded, record.CodeTimeout},
	{context.Canceled, record.CodeInterrupted},
	{syscall.EPIPE, record.CodeOutputClosed},
	{syscall.ENOSPC, record.CodeDiskFull},
	{syscall.EDQUOT, record.CodeDiskFull},
	{syscall.EFBIG, record.CodeDiskFull},
	{syscall.EROFS, record.CodeReadOnly},
	{syscall.EMFILE, record.CodeTooManyFiles},
	{syscall.ENFILE, record.CodeTooManyFiles},
	{store.ErrFolder, record.CodeBadNodeFolder},
	{ring.ErrFolder, record.CodeBadNodeFolder}, // what the system says of full disks counts first
	// What was named is not what it has to be, whether a file, a folder, a descriptor or an address.
	{fs.ErrNotExist, record.CodeUsage},
	{fs.ErrPermission, record.CodeUsage},
	{syscall.ENOTDIR, record.CodeUsage},
	{syscall.EISDIR, record.CodeUsage},
	{syscall.ENAMETOOLONG, record.CodeUsage},
	{syscall.ELOOP, record.CodeUsage},
	{syscall.EBADF, record.CodeUsage},
	{syscall.EADDRINUSE, record.CodeUsage},
	{syscall.EADDRNOTAVAIL, record.CodeUsage},
}

// ReportedError is the error record with which another process of this program has ended.
type ReportedError record.Error

func (e *ReportedError) Error() string { return e.Message }

// Describe returns the error record of an error.
func Describe(err error) record.Error {
	problem := record.NewError(classify(err), FirstLine(err.Error()))
	problem.Queued = errors.As(err, new(queuedError))
	var clock *route.ClockError
	if errors.As(err, &clock) {
		problem.OffsetMS = clock.Offset.Milliseconds()
	}
	var several interface{ Candidates() []string }
	if errors.As(err, &several) {
		problem.Candidates = several.Candidates()
	}
	return problem
}

// classify returns the code of an error.
func classify(err error) record.Code {
	var signal errSignal
	if errors.As(err, &signal) {
		switch signal.Signal {
		case syscall.SIGTERM:
			return record.CodeTerminated
		case syscall.SIGHUP:
			return record.CodeHangup
		}
		return record.CodeInterrupted
	}
	var reported *ReportedError
	if errors.As(err, &reported) {
		return record.Code(reported.Code)
	}
	for _, entry := range codeTable {
		if errors.Is(err, entry.err) {
			return entry.code
		}
	}
	return record.CodeUnexpected
}

// FirstLine puts a message on one line; joined errors have several.
func FirstLine(text string) string { return lineMender.Replace(text) }

// lineMender also replaces the no-break space that errors of package proto have in some builds.
var lineMender = strings.NewReplacer("\n", "; ", "\u00a0", " ")
