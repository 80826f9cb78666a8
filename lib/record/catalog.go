package record

// Kind is one kind of record. Value is an empty one. Input means that commands read it, Output that they print it. An
// input that commands do not print has no type.
type Kind struct {
	Name    string
	Value   any
	Summary string
	Input   bool
	Output  bool
}

// Names of the records that commands read and never print.
const (
	NameDraft = "draft"
	NameCall  = "call"

	NameSaying = "saying"
)

// Kinds is the list of records from which schemas, the help topic and the documentation are made.
var Kinds = []Kind{
	{NameDraft, Draft{}, "a text for a Session ID", true, false},
	{NameCall, Call{}, "a storage RPC for a service node", true, false},
	{NameSaying, Saying{}, "a text for a transcript that one side alone makes", true, false},
	{TypeIdentity, Identity{}, "an account's public half, and its words where they are asked for", false, true},
	{TypeFriendRequest, FriendRequest{}, "a friend request and what became of it", true, true},
	{TypeContact, Contact{}, "a Session ID that this account has been in contact with", true, true},
	{TypeReceipt, Receipt{}, "what became of one draft or envelope", false, true},
	{TypeDryRun, DryRun{}, "what sending a draft would do", false, true},
	{TypeQueued, Queued{}, "a message that waits in the outbox, or was taken from it", true, true},
	{TypeMessage, Message{}, "a text that arrived", true, true},
	{TypeDelivery, Delivery{}, "a receipt that the other side sent", false, true},
	{TypeSessionReset, SessionReset{}, "the other side has begun a new session", false, true},
	{TypeReaction, Reaction{}, "an emoji on a message, or its removal", false, true},
	{TypeTyping, Typing{}, "the other side types, or no more", false, true},
	{TypeExtraction, Extraction{}, "the other side took a screenshot or saved a file", false, true},
	{TypePhoneCall, PhoneCall{}, "one step of a telephone call", false, true},
	{TypeTimerChange, TimerChange{}, "after which time messages are to disappear from now on", false, true},
	{TypeUnsend, Unsend{}, "the other side has taken a message back", false, true},
	{TypeUnknown, Unknown{}, "a message of a kind that this version does not know", false, true},
	{TypeUnopenable, Unopenable{}, "how many messages could not be opened, of senders that are not known", false, true},
	{TypeDropped, RequestsDropped{}, "how many friend requests of strangers made room for newer ones", false, true},
	{TypeHook, Hook{}, "a run of the command of listen --exec", false, true},
	{TypeAcked, Acked{}, "a received record that was acknowledged", false, true},
	{TypeHeartbeat, Heartbeat{}, "a sign of life of listen", false, true},
	{TypeSetAside, SetAside{}, "a received record that is not printed any more after too many attempts", false, true},
	{TypeGap, Gap{}, "the account was not polled for longer than messages are kept", false, true},
	{TypeOutage, Outage{}, "no node answers listen, or one does again", false, true},
	{TypeTruncated, Truncated{}, "a node has more new messages than were read", false, true},
	{TypeControl, Control{}, "a message without anything to show", false, true},
	{TypeChange, Change{}, "what became of stored messages that were to be deleted or to expire", false, true},
	{TypeSwarm, Swarm{}, "the nodes that keep a Session ID's messages", false, true},
	{TypeNode, Node{}, "a service node", false, true},
	{TypeRepair, Repair{}, "what was damaged in a node's folder, and what the node has now", false, true},
	{TypeEnvelope, Envelope{}, "a message between sealing and storing, or as a swarm returned it", true, true},
	{TypeEnvelopeInfo, EnvelopeInfo{}, "what can be read of an envelope without a key", false, true},
	{TypeTranscript, Transcript{}, "one message of a transcript that one side alone has made", false, true},
	{TypePow, Pow{}, "a proof of work that was checked, or what one will cost", false, true},
	{TypePowBench, PowBench{}, "the speed of one proof-of-work kernel", false, true},
	{TypePrekeyBundle, PrekeyBundle{}, "what a friend request carries of its sender's keys", false, true},
	{TypePrekey, Prekey{}, "one prekey of the account", false, true},
	{TypeAccountKey, AccountKey{}, "one key of session-v2 of the account", false, true},
	{TypeDevice, Device{}, "one device of the account, in session-v2", false, true},
	{TypeDeviceLink, DeviceLink{}, "a step of adding a device to an account, in session-v2", false, true},
	{TypePath, Path{}, "the hops of an onion request", false, true},
	{TypeResponse, Response{}, "a storage RPC's answer", false, true},
	{TypeNetwork, Network{}, "a network's seeds; also the content of a network file", false, true},
	{TypeNodeStatus, NodeStatus{}, "how one of a devnet's nodes is", false, true},
	{TypeNodeList, NodeList{}, "the list of service nodes that is kept of a network, and who vouches for it", false, true},
	{TypeFault, Fault{}, "something that goes wrong with a devnet's node on purpose", false, true},
	{TypeSwarmCheck, SwarmCheck{}, "how the members of a swarm are, and whether they agree", false, true},
	{TypeSwarmMap, SwarmMap{}, "a picture of the swarms that was written to a file", false, true},
	{TypeSwarmWatch, SwarmWatch{}, "one look at the members of a swarm, with their lag and latency so far", false, true},
	{TypeTrace, Trace{}, "the way of a message, and where it stopped", false, true},
	{TypeStep, Step{}, "one line of the demo's story", false, true},
	{TypeRemoved, Removed{}, "confirms that an account or a contact is gone", false, true},
	{TypeBackup, Backup{}, "a backup that was written to a file", false, true},
	{TypeKeystore, Keystore{}, "what opens a keystore", false, true},
	{TypeCompacted, Compacted{}, "a keystore was made as small as what is in it", false, true},
	{TypePruned, Pruned{}, "what inbox prune deleted", false, true},
	{TypeSetting, Setting{}, "a setting, its value and where that comes from", false, true},
	{TypeConfig, Config{}, "where the config file is", false, true},
	{TypeCheck, Check{}, "one thing that doctor looked at", false, true},
	{TypeClock, Clock{}, "this machine's clock beside the network's", false, true},
	{TypeErrorCode, ErrorCode{}, "what an error code means and what to do about it", false, true},
	{TypeSchema, Schema{}, "the JSON Schema of a record", false, true},
	{TypeVersion, Version{}, "what is running", false, true},
	{TypeError, Error{}, "takes the place of a record that could not be made", false, true},
}

// KindOf returns the kind of that name.
func KindOf(name string) (Kind, bool) {
	for _, kind := range Kinds {
		if kind.Name == name {
			return kind, true
		}
	}
	return Kind{}, false
}
