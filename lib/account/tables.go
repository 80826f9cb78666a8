package account

import "sessiontool/keystore"

// The tables of an account in the keystore, beside those of packages tables, prekeystore and outbox.
const (
	tableIdentity    keystore.Table = "identity"    // identityKey -> identity
	tableTimes       keystore.Table = "times"       // name -> time of the last run
	tableContacts    keystore.Table = "contacts"    // contact -> contactState
	tableRequests    keystore.Table = "requests"    // digest of a friend request's ciphertext -> nothing
	tableBoxes       keystore.Table = "boxes"       // digest of a sealed box -> nothing
	tableSessions    keystore.Table = "sessions"    // contact -> ratchet record
	tableInbox       keystore.Table = "inbox"       // sequence -> Event
	tableUndelivered keystore.Table = "undelivered" // sequence of an Event -> process that prints it
	tableListeners   keystore.Table = "listeners"   // process -> listening
	tableSeen        keystore.Table = "seen"        // digest of store data -> seenEntry
	tableChains      keystore.Table = "chains"      // digest of sender and ratchet key -> chainEntry
	tableCursors     keystore.Table = "cursors"     // reader version and node -> last hash
	tableUnsends     keystore.Table = "unsends"     // author and timestamp -> time of expiry
)

const (
	identityKey = "self"

	timeSeenForgotten = "seen_forgotten"

	counterChains = "chain"
)
