// Package replication makes all members of a swarm have the same messages and tombstones, whatever each of them missed.
//
// Three mechanisms work side by side. Push: a change that a client makes at this node is queued on disk for every other
// member, and a sender for each member retries until the member accepts it. Catch-up: two members compare digests of
// their messages and exchange the missing records when a node starts, joins or comes back, and about once a minute
// ([Replication.Compare]). Hand-over: when swarms change, messages that belong to another swarm go to all its members.
// Every exchange may be repeated: a known record changes nothing unless its version supersedes the known one.
//
// A [Replication] works on a [store.Store], a [peerhttp.Caller], the [ring.Members] and a clock, and serves no clients.
// [Replication.Serve] answers requests of peers after the caller has verified them.
package replication

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
)

// maxScans bounds the concurrent scans of the store that serve peers.
const maxScans = 2

// Request is an owner's signed request whose signature has been verified.
type Request interface {
	store.Request
	// MayDelete reports whether the request may delete the message with this name. Its content is not known here.
	MayDelete(name store.Name) bool
	// Expires reports whether the request makes a message expire at the given time (milliseconds).
	Expires(m store.Message, expiration int64) bool
	// Stores reports whether the request is a store of this message.
	Stores(m store.Message) bool
}

// Config is the surroundings of a [Replication]. All fields but Arrived and Kept are required.
type Config struct {
	Seed    [32]byte // of the random pauses and the choice of members to compare with
	Store   *store.Store
	Caller  *peerhttp.Caller
	Members *ring.Members
	Now     func() time.Time // the node's clock
	// Difficulty returns the proof of work required of a message of storage RPC 2.0 with this timestamp
	// (milliseconds).
	Difficulty func(timestamp int64) uint64
	// ProvedOnly refuses messages of storage RPC 2.8, which have no proof of work.
	ProvedOnly bool
	// ReadRequest parses an owner's request that came with a record. It returns an error unless the owner signed it.
	ReadRequest func(owner string, request []byte) (Request, error)
	Log         *slog.Logger
	// Arrived, unless nil, is called with pushed records before they are stored. It may wait and reorder them, to
	// simulate a real network.
	Arrived func(ctx context.Context, records []store.Record)
	// Kept, unless nil, is called with the records of another node that this node has stored: the messages, and the
	// number of all records.
	Kept func(from *ring.Peer, messages []store.Message, records int)
}

// Replication makes the members of a swarm have the same messages. It is safe for concurrent use.
type Replication struct {
	store      *store.Store
	caller     *peerhttp.Caller
	members    *ring.Members
	now        func() time.Time
	difficulty func(timestamp int64) uint64
	provedOnly bool
	request    func(owner string, request []byte) (Request, error)
	log        *slog.Logger
	arrived    func(ctx context.Context, records []store.Record)
	kept       func(from *ring.Peer, messages []store.Message, records int)

	senders  *senders
	catchUp  *catchUp
	handOver *handOver
	scans    chan struct{} // semaphore of maxScans
}

// New makes a Replication. It does nothing until [Replication.Run] and [Replication.Adopt] are called.
func New(config Config) *Replication {
	rep := &Replication{
		store: config.Store, caller: config.Caller, members: config.Members, now: config.Now,
		difficulty: config.Difficulty, provedOnly: config.ProvedOnly, request: config.ReadRequest, log: config.Log,
		arrived: config.Arrived, kept: config.Kept, scans: make(chan struct{}, maxScans),
	}
	rep.catchUp = newCatchUp(rep.log, rand.New(rand.NewChaCha8(config.Seed)), rep.Compare)
	rep.senders = newSenders(rep.log, rep.caller, rep.store, rep.catchUp.schedule)
	rep.handOver = newHandOver(rep.log, rep.offerTo, rep.foreignOwners, rep.catchUp.pause)
	return rep
}

// Run compares with peers and hands messages over until ctx ends.
func (rep *Replication) Run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { rep.catchUp.run(ctx) })
	loops.Go(func() { rep.handOver.run(ctx) })
	loops.Wait()
}

// Wait returns when all senders have ended. They end with the contexts given to [Replication.Adopt]. No call of Adopt
// may be in progress.
func (rep *Replication) Wait() { rep.senders.wait() }

// Adopt applies a new node list. A list that lacks this node may be a mistake of the directory, so Adopt keeps the
// queue for its peers. A node that is listed without a swarm has no peers and hands all its messages over. Senders work
// until ctx ends.
func (rep *Replication) Adopt(ctx context.Context, fresh *ring.View) {
	if fresh.Self != nil {
		if err := rep.senders.setPeers(ctx, fresh.Others()); err != nil {
			rep.log.Error("adopting the node list", "error", err)
		}
	}
	rep.catchUp.setPeers(fresh.Others())
	rep.handOver.setView(fresh)
}

// Notify wakes the senders. The caller has queued changes.
func (rep *Replication) Notify() { rep.senders.wakeAll() }

// Pending reports whether peers may lack messages that are not queued: a comparison is due or a hand-over is
// incomplete.
func (rep *Replication) Pending() bool { return rep.catchUp.pending() > 0 || rep.handOver.pending() }

// Refusal is the error for a request of a peer that cannot be served: the HTTP status and the text of the answer.
type Refusal struct {
	Status int
	Text   string
}

// Error implements error.
func (r Refusal) Error() string {
	return fmt.Sprintf("refused with status %d: %q", r.Status, r.Text)
}

func refuseRequest(status int, format string, args ...any) error {
	return Refusal{status, fmt.Sprintf(format, args...)}
}

// errNotMember refuses a node of another swarm: only members get names and messages.
var errNotMember = Refusal{http.StatusForbidden, "Not a member of this swarm\n"}

// Serve answers a request at one of the paths of this package. The caller has verified that from signed it. view is the
// view at its arrival. The answer to a push is JSON, any other is binary. The error may be a [Refusal].
func (rep *Replication) Serve(
	ctx context.Context, path string, view *ring.View, from *ring.Peer, body []byte,
) ([]byte, error) {
	switch path {
	case PushPath:
		return rep.servePush(ctx, view, from, body)
	case OfferPath:
		return rep.serveOffer(view, body)
	}
	if !view.SharesSwarm(from) {
		return nil, errNotMember
	}
	switch path {
	case DigestPath:
		return rep.serveDigest(ctx, view)
	case NamesPath:
		return rep.serveNames(ctx, view, body)
	case FetchPath:
		return rep.serveFetch(view, body)
	}
	return nil, refuseRequest(http.StatusNotFound, "no such exchange\n")
}
