package record

// Exit codes of the program. A script must treat an unknown exit code as a failure.
const (
	ExitOK         = 0
	ExitUnexpected = 1
	ExitUsage      = 2
	ExitPartial    = 3
	ExitNotFound   = 4
	ExitTemporary  = 5
	ExitRefused    = 6
	ExitAuth       = 7
	ExitTimeout    = 8
	ExitClock      = 9
	ExitLocked     = 10
	ExitHangup     = 129
	ExitInterrupt  = 130
	ExitTerminated = 143
)

// Code names one kind of failure. Scripts may rely on the names.
type Code string

// The codes. [Codes] has the meaning and the exit code of each.
const (
	CodeUnexpected         Code = "unexpected"
	CodeUsage              Code = "usage"
	CodeBadInput           Code = "bad_input"
	CodeBadSessionID       Code = "bad_session_id"
	CodeBadMnemonic        Code = "bad_mnemonic"
	CodeBadText            Code = "bad_text"
	CodeTextTooLong        Code = "text_too_long"
	CodeBadTTL             Code = "bad_ttl"
	CodeBadEnvelope        Code = "bad_envelope"
	CodeStdinTerminal      Code = "stdin_is_terminal"
	CodeBadAccountName     Code = "bad_account_name"
	CodeAccountExists      Code = "account_exists"
	CodeAccountRequired    Code = "account_required"
	CodeKeystoreExists     Code = "keystore_exists"
	CodeBadNetwork         Code = "bad_network"
	CodeBadConfig          Code = "bad_config"
	CodeBadNodeFolder      Code = "bad_node_folder"
	CodeKeystoreOpen       Code = "keystore_permissions"
	CodeUnsuitable         Code = "unsuitable_filesystem"
	CodeAskedAlready       Code = "asked_already"
	CodeAlreadyFriends     Code = "already_friends"
	CodeBadName            Code = "bad_name"
	CodeNameTaken          Code = "name_taken"
	CodeBlocked            Code = "blocked"
	CodeOtherDevices       Code = "other_devices"
	CodeLinkedAlready      Code = "linked_already"
	CodeIDReused           Code = "id_reused"
	CodePartial            Code = "partial"
	CodePartialTemporary   Code = "partial_temporary"
	CodeNoNetwork          Code = "no_network"
	CodeKeystoreNotFound   Code = "keystore_not_found"
	CodeAccountNotFound    Code = "account_not_found"
	CodeUnknownContact     Code = "unknown_contact"
	CodeUnknownName        Code = "unknown_name"
	CodeRecordNotFound     Code = "record_not_found"
	CodeNoKeys             Code = "no_keys"
	CodeNotLinked          Code = "not_linked"
	CodeUnknownDevice      Code = "unknown_device"
	CodeNotFriends         Code = "not_friends"
	CodeRequestNotFound    Code = "request_not_found"
	CodeNodeNotFound       Code = "node_not_found"
	CodeEntryNotFound      Code = "entry_not_found"
	CodeRequestPending     Code = "request_pending"
	CodeNetworkUnreachable Code = "network_unreachable"
	CodeProxy              Code = "proxy_unreachable"
	CodeNoIPv4             Code = "no_ipv4"
	CodeSeedCertificate    Code = "seed_certificate"
	CodeTooFewNodes        Code = "too_few_nodes"
	CodeNotStored          Code = "not_stored"
	CodeNotAdmitted        Code = "not_admitted"
	CodeNotDelivered       Code = "not_delivered"
	CodeNotRetrieved       Code = "not_retrieved"
	CodeInFlight           Code = "in_flight"
	CodeDevnetRunning      Code = "devnet_running"
	CodeNodeRunning        Code = "node_running"
	CodePortTaken          Code = "port_taken"
	CodeOutputClosed       Code = "output_closed"
	CodeDiskFull           Code = "disk_full"
	CodeReadOnly           Code = "read_only"
	CodeTooManyFiles       Code = "too_many_files"
	CodeSwarmLag           Code = "swarm_lag"
	CodeNoTrace            Code = "no_trace"
	CodeRefused            Code = "refused"
	CodeDropped            Code = "dropped"
	CodeUnsupported        Code = "unsupported"
	CodeDifficultyTooHigh  Code = "difficulty_too_high"
	CodeInvalidPow         Code = "invalid_pow"
	CodeWrongPassphrase    Code = "wrong_passphrase"
	CodePassphraseRequired Code = "passphrase_required"
	CodeCorruptKeystore    Code = "corrupt_keystore"
	CodeTooCostly          Code = "too_costly"
	CodeDecryptionFailed   Code = "decryption_failed"
	CodeNewerProtocol      Code = "newer_protocol"
	CodeUnknownPrekey      Code = "unknown_prekey"
	CodeBadSignature       Code = "bad_signature"
	CodeNoSession          Code = "no_session"
	CodeUnknownKey         Code = "unknown_key"
	CodeEmoji              Code = "wrong_emoji"
	CodeKeyReused          Code = "key_reused"
	CodeKeystoreCopied     Code = "keystore_copied"
	CodeSafetyNumber       Code = "safety_number"
	CodeTimeout            Code = "timeout"
	CodeClockSkew          Code = "clock_skew"
	CodeNoTime             Code = "no_time"
	CodeLocked             Code = "locked"
	CodeHangup             Code = "hangup"
	CodeInterrupted        Code = "interrupted"
	CodeTerminated         Code = "terminated"
)

// CodeInfo describes a code. Retryable means that the same command may succeed later.
type CodeInfo struct {
	Code      Code
	Exit      int
	Retryable bool
	Meaning   string
	Hint      string
}

// Codes is the table from which exit codes, hints, the help topic and the documentation are made.
var Codes = []CodeInfo{
	{CodeUnexpected, ExitUnexpected, false, "something that should not happen", "please report it with the message"},
	{CodeUsage, ExitUsage, false, "the command line is wrong", "see the command's --help"},
	{CodeBadInput, ExitUsage, false,
		"a line of input is not the JSON that the command reads", "see 'sessiontool help records'"},
	{CodeBadSessionID, ExitUsage, false,
		"a Session ID is not 05 followed by 64 hex digits", "check the ID; it has 66 characters"},
	{CodeBadMnemonic, ExitUsage, false,
		"the recovery words are not valid", "check the words, their order and their number; there are 13"},
	{CodeBadText, ExitUsage, false, "a text is empty or not UTF-8", "give some text"},
	{CodeTextTooLong, ExitUsage, false, "a text does not fit into one message", "split it, or send a link to it"},
	{CodeBadTTL, ExitUsage, false,
		"a time to live is outside what the network allows", "use 10s to 96h, or to 336h with storage RPC 2.8"},
	{CodeBadEnvelope, ExitUsage, false,
		"an envelope is not one that Session clients write", "check where the data comes from"},
	{CodeStdinTerminal, ExitUsage, false,
		"the command reads records from stdin, and stdin is a terminal", "pipe records in, or use the flags"},
	{CodeBadAccountName, ExitUsage, false,
		"an account name has characters that are not allowed",
		"use 1 to 64 letters, digits, dots, dashes and underscores"},
	{CodeAccountExists, ExitUsage, false,
		"the keystore already has an account of that name", "choose another --account name"},
	{CodeAccountRequired, ExitUsage, false, "the keystore has several accounts", "say which with --account"},
	{CodeKeystoreExists, ExitUsage, false,
		"the folder has a keystore already", "restore into another folder: --keystore DIR"},
	{CodeBadNetwork, ExitUsage, false,
		"the network's description cannot be used", "check the file or URL of --network"},
	{CodeBadConfig, ExitUsage, false,
		"the config file cannot be used", "correct it; 'sessiontool config path' prints its path"},
	{CodeBadNodeFolder, ExitUsage, false,
		"a file in the folder of a node or a devnet is damaged or open to others",
		"repair a node's folder with 'sessiontool node repair --dir DIR', or use another folder"},
	{CodeKeystoreOpen, ExitUsage, false,
		"others can read a keystore's file, or could have written it, a passphrase file or the config file",
		"run the chmod or chown that the message names"},
	{CodeUnsuitable, ExitUsage, false,
		"the file system of a keystore or a node has no locks, or locks that keep no process out",
		"use a folder on a local disk: --keystore DIR, or --data DIR of a node"},
	{CodeAskedAlready, ExitUsage, false,
		"the other side has sent a friend request already",
		"accept it: 'sessiontool friend-request accept ID', or use --again if that has not helped"},
	{CodeBadName, ExitUsage, false,
		"the text cannot be a name for a contact", "use letters and digits, with - or _ between them: see 'contact add --help'"},
	{CodeNameTaken, ExitUsage, false,
		"another contact has that name", "choose another one, or rename that contact; candidates has its Session ID"},
	{CodeBlocked, ExitUsage, false, "the contact is blocked", "'sessiontool contact unblock ID' ends that"},
	{CodeOtherDevices, ExitUsage, false,
		"the account may be on other devices, which could not read messages for a key of this one alone",
		"link this device with 'device link'; with --alone if the account is on no other device any more"},
	{CodeLinkedAlready, ExitUsage, false,
		"this device is one of the account's linked devices already", "see 'device list'"},
	{CodeAlreadyFriends, ExitUsage, false,
		"the other side is a friend already", "just send; use --again if the friend has lost its session"},
	{CodeIDReused, ExitUsage, false,
		"the id of a draft was used for the same recipient with another text or timestamp",
		"give each message an id of its own"},
	{CodePartial, ExitPartial, false,
		"some items failed; each one's record says why", "look at the error records on stdout"},
	{CodePartialTemporary, ExitTemporary, true,
		"some items failed for now, and none for good; each one's record says why",
		"run the same command again: what has a receipt is not sent twice"},
	{CodeSwarmLag, ExitPartial, true,
		"a member of the swarm lacked a message, or did not answer, for longer than --warn-lag",
		"see the members of the swarm_watch records; 'sessiontool trace HASH' says more of one message"},
	{CodeNoTrace, ExitNotFound, false,
		"neither the journal of traces nor a member of the account's swarm has such a message",
		"keep a journal with --trace-journal or 'trace_journal' in the config file"},
	{CodeNoNetwork, ExitNotFound, false,
		"no network is named and no devnet is running",
		"start one with 'sessiontool devnet up --detach', or use --network"},
	{CodeKeystoreNotFound, ExitNotFound, false,
		"there is no keystore in that folder", "make an account with 'sessiontool keygen'"},
	{CodeAccountNotFound, ExitNotFound, false,
		"the keystore has no account of that name", "see 'sessiontool identity list'"},
	{CodeNoKeys, ExitNotFound, false,
		"the recipient publishes no keys of session-v2",
		"use --protocol auto, or --no-pfs for a message without forward secrecy"},
	{CodeNotLinked, ExitNotFound, false,
		"this device is not one of the account's linked devices, or the account has none",
		"see 'identity keys publish' for the first device, and 'device link' for others"},
	{CodeUnknownDevice, ExitNotFound, false, "the account has no such device", "see 'device list'"},
	{CodeUnknownContact, ExitNotFound, false,
		"this account has never dealt with that Session ID",
		"send a friend request first: 'sessiontool friend-request send --to ID --text T', " +
			"or use --protocol session-v1"},
	{CodeRecordNotFound, ExitNotFound, false,
		"the account has received no record with that id", "see 'sessiontool inbox --undelivered'"},
	{CodeUnknownName, ExitNotFound, false,
		"no contact has that name", "see 'sessiontool contact list'; 'sessiontool contact add ID --name NAME' gives a name"},
	{CodeNotFriends, ExitNotFound, false,
		"the friend request with that contact is not completed", "see 'sessiontool friend-request list'"},
	{CodeRequestNotFound, ExitNotFound, false,
		"there is no such friend request waiting", "see 'sessiontool friend-request list'"},
	{CodeNodeNotFound, ExitNotFound, false, "no registered service node has that key", "see 'sessiontool swarm nodes'"},
	{CodeEntryNotFound, ExitNotFound, false,
		"no message with that number waits in the outbox", "see 'sessiontool outbox list'; it may have been sent"},
	{CodeRequestPending, ExitTemporary, true,
		"a friend request is waiting for an answer", "wait for it, or use --again"},
	{CodeNetworkUnreachable, ExitTemporary, true,
		"the network does not answer", "try again; check that the network is up"},
	{CodeProxy, ExitTemporary, true,
		"the proxy does not answer, or refuses to serve", "start the proxy, or check --proxy and HTTPS_PROXY; nothing went past it"},
	{CodeNoIPv4, ExitTemporary, true,
		"this machine has IPv6 alone, and service nodes have IPv4 addresses",
		"use --proxy with a proxy that has IPv4, or a network with 464XLAT"},
	{CodeSeedCertificate, ExitTemporary, true,
		"the certificate of a seed is expired, unknown or not the pinned one",
		"if it is the right seed, pin it: pins in the network file, 'sessiontool network show --help' says how; " +
			"the dates of a pinned certificate do not count"},
	{CodeTooFewNodes, ExitTemporary, true,
		"too few service nodes answer for an onion path", "try again; a path needs four nodes"},
	{CodeNotAdmitted, ExitTemporary, true,
		"no device of the account has admitted this one yet",
		"confirm the emoji on a linked device with 'device link --confirm', then try again; a request ends after 10 minutes"},
	{CodeNotStored, ExitTemporary, true,
		"too few nodes of the recipient's swarm took the message",
		"it waits in the outbox: the same command again, or any send, poll or listen, sends it"},
	{CodeNotDelivered, ExitTemporary, true,
		"the recipient has not acknowledged the message on the synchronous route",
		"it is not sent later; try again, or use --route auto"},
	{CodeNotRetrieved, ExitTemporary, true, "no node of the swarm answered with messages", "try again"},
	{CodeInFlight, ExitTemporary, true,
		"another process is sending the message", "wait until that has ended, and look at 'sessiontool outbox list'"},
	{CodeDevnetRunning, ExitTemporary, true,
		"a devnet is already running in that folder", "stop it with 'sessiontool devnet down'"},
	{CodePortTaken, ExitTemporary, true,
		"another program uses the port of the devnet's registry",
		"end that program, or choose another port with --listen 127.0.0.1:PORT"},
	{CodeNodeRunning, ExitTemporary, true,
		"another node is running in that folder", "give this one a folder of its own, or stop the other"},
	{CodeOutputClosed, ExitTemporary, true,
		"stdout is closed, or its reader is gone", "the same command again goes on with what was not written"},
	{CodeDiskFull, ExitTemporary, true,
		"there is no room for the output or the keystore",
		"make room; the same command again goes on with what was not written"},
	{CodeReadOnly, ExitTemporary, true,
		"the disk or a file can be read but not written",
		"mount the disk for writing, or correct the file's owner and mode"},
	{CodeTooManyFiles, ExitTemporary, true,
		"the limit of open files is reached", "raise it with 'ulimit -n', or close files"},
	{CodeRefused, ExitRefused, false,
		"the network refuses the message for good", "see the message; a retry would be refused too"},
	{CodeDropped, ExitRefused, false,
		"a message that waited in the outbox was given up, since the network refuses it for good",
		"see the message; send the text again in another form"},
	{CodeUnsupported, ExitRefused, false,
		"the network's nodes cannot do what is asked",
		"use a network with storage RPC 2.8: see 'sessiontool help protocols'"},
	{CodeDifficultyTooHigh, ExitRefused, false,
		"the network asks for more proof of work than is allowed", "raise --max-pow"},
	{CodeInvalidPow, ExitRefused, false,
		"the proof of work does not meet the difficulty", "solve it again with 'sessiontool pow solve'"},
	{CodeWrongPassphrase, ExitAuth, false, "the passphrase or key file does not open the keystore", "check it"},
	{CodePassphraseRequired, ExitAuth, false,
		"the keystore is locked with a passphrase", "use --passphrase-file, --passphrase-fd or --passphrase-command"},
	{CodeCorruptKeystore, ExitAuth, false, "the keystore's content was changed or damaged", "restore it from a backup"},
	{CodeTooCostly, ExitAuth, false,
		"the keystore or backup asks for more memory or time to open than this machine may spend",
		"open it on a larger machine; if it is not yours, do not trust it"},
	{CodeDecryptionFailed, ExitAuth, false,
		"a message cannot be decrypted or was tampered with", "ask the sender to send it again"},
	{CodeNewerProtocol, ExitAuth, false,
		"a message is in a newer protocol than this version reads",
		"poll with a newer version, which reads it as long as the network keeps it"},
	{CodeUnknownPrekey, ExitAuth, false,
		"a message starts a session with a prekey that this account does not have",
		"ask the sender for a new friend request"},
	{CodeBadSignature, ExitAuth, false, "a prekey bundle's signature is wrong", "do not trust it; ask the sender"},
	{CodeNoSession, ExitAuth, false,
		"a message belongs to no session of this account", "ask the sender for a new friend request"},
	{CodeUnknownKey, ExitAuth, true,
		"no key of this device opens a message of session-v2 yet",
		"poll again, which reads it once the key has come; on a device that is not linked see 'device link'"},
	{CodeEmoji, ExitAuth, false,
		"no device that asks to join has these emoji",
		"compare them again; if they differ, another person may be asking: do not confirm"},
	{CodeKeyReused, ExitAuth, false,
		"a message has the key of an earlier one: two copies of the sender's keystore are in use, or an old one was restored",
		"the message is lost: ask the sender to use one copy only, and for a new friend request"},
	{CodeKeystoreCopied, ExitAuth, false,
		"another program sends with this account's sessions: a copy of this keystore, or the one that it was restored from",
		"use one copy only; then 'sessiontool friend-request send --again' to the contact begins a new session"},
	{CodeSafetyNumber, ExitAuth, false,
		"the safety number is not the one with that contact",
		"compare the Session IDs; one of the two has a wrong one"},
	{CodeTimeout, ExitTimeout, true, "the time allowed by --timeout is over", "try again, or allow more time"},
	{CodeClockSkew, ExitClock, false,
		"the network refuses this machine's clock", "set the clock: offset_ms is what it lacks"},
	{CodeNoTime, ExitClock, false,
		"no node and no seed gives the network's time",
		"check this machine's clock by hand, and set it if it is wrong"},
	{CodeLocked, ExitLocked, true, "another process holds the lock of the keystore or of the config file", "try again, or raise --lock-timeout"},
	{CodeHangup, ExitHangup, true, "stopped by SIGHUP: the terminal is gone", ""},
	{CodeInterrupted, ExitInterrupt, true, "stopped by SIGINT", ""},
	{CodeTerminated, ExitTerminated, true, "stopped by SIGTERM", ""},
}

// Exit is an exit code and what it means.
type Exit struct {
	Code    int
	Meaning string
}

// Exits lists the exit codes.
var Exits = []Exit{
	{ExitOK, "everything went well"},
	{ExitUnexpected, "something that should not happen"},
	{ExitUsage, "wrong command line or input"},
	{ExitPartial, "some items failed"},
	{ExitNotFound, "something that was named is not there"},
	{ExitTemporary, "temporary failure, try again"},
	{ExitRefused, "refused by the network for good"},
	{ExitAuth, "authentication or decryption failed"},
	{ExitTimeout, "timed out"},
	{ExitClock, "the network refuses this machine's clock"},
	{ExitLocked, "the keystore is locked by others"},
	{ExitHangup, "stopped by SIGHUP"},
	{ExitInterrupt, "stopped by SIGINT"},
	{ExitTerminated, "stopped by SIGTERM"},
}

// Info returns the table's entry for code.
func (c Code) Info() CodeInfo {
	for _, info := range Codes {
		if info.Code == c {
			return info
		}
	}
	return Codes[0]
}

// NewError makes the record of a failure, with the table's hint.
func NewError(code Code, message string) Error {
	info := code.Info()
	return Error{
		Type: TypeError, Code: string(info.Code), Message: message, Hint: info.Hint,
		Retryable: info.Retryable, ExitCode: info.Exit,
	}
}
