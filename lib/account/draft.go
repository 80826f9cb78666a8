package account

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// Kind is what an outgoing message is for.
type Kind string

// The kinds of outgoing messages. A control message has nothing to show: an acceptance, or a sign of life. A status
// message says only whether the account is online.
const (
	KindText          Kind = "text"
	KindFriendRequest Kind = "friend_request"
	KindControl       Kind = "control"
	KindStatus        Kind = "status"
)

// MinTTL is the shortest time to live in milliseconds. The longest is what the network allows, and that is also the
// default, since people poll from cron.
const MinTTL = storage.MinTTLMillis

// controlTTL is that of messages without a text, in milliseconds: what every network allows. The 2020 client lets its
// acceptance die after a minute.
const controlTTL = storage.MaxTTLMillis20

// Draft is a text to be sent. Zero TTLMillis and TimestampMS mean the default and now. Network is the storage RPC of
// the network that it is for, empty for 2.0: it decides how long the text may be kept and, with a recipient of
// whom nothing is known, the protocol. Protocol, unless it is empty, decides the latter in any case. OnlySync says that
// the text is not for the asynchronous route: either the recipient acknowledges it or it is not sent.
type Draft struct {
	To          sessionid.ID
	Text        string
	TTLMillis   int64
	TimestampMS int64
	Ref         string
	Network     storage.Generation
	Protocol    Protocol
	OnlySync    bool
}

// digest names a draft, so that a rerun of the same command finds what a killed run left behind.
func (d Draft) digest(kind Kind) string {
	sum := sha256.New()
	if d.Protocol != "" {
		fmt.Fprintf(sum, "%s ", oldProtocols[d.Protocol])
	}
	fmt.Fprintf(sum, "%s %s %d %d %d %s %d ", kind, d.To, d.TTLMillis, d.TimestampMS, len(d.Ref), d.Ref, len(d.Text))
	sum.Write([]byte(d.Text))
	return hex.EncodeToString(sum.Sum(nil))
}
