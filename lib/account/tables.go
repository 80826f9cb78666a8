package account

import "sessiontool/keystore"

// The tables of an account in the keystore, beside those of the packages below this one.
const (
	tableIdentity keystore.Table = "identity" // identityKey -> identity
	tableTimes    keystore.Table = "times"    // name -> time of the last run
	tableRequests keystore.Table = "requests" // digest of a friend request's ciphertext -> nothing
	tableBoxes    keystore.Table = "boxes"    // digest of a sealed box -> nothing
)

const (
	identityKey = "self"

	timeSeenForgotten = "seen_forgotten"
	timePolled        = "polled"
)
