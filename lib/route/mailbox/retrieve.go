package mailbox

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"sessiontool/lib/network"
	"sessiontool/lib/storage"
	"sessiontool/lib/trace"
)

// maxRead bounds the messages that are taken from one member. No account has so many: a list of this length is made up.
const maxRead = 1 << 20

// RetrieveOptions adjusts [Box.Retrieve].
type RetrieveOptions struct {
	// UseCursors starts at each node where the account's last poll ended. Otherwise everything is read.
	UseCursors bool
	// Truncated is called for a member whose list had more new messages than it may give. It may be nil.
	Truncated func(Truncated) error
	MaxRead   int // most messages of one member; 0 means maxRead
	Sides     int // members to ask; 0 means network.SwarmTargets, which are also kept for the next time
}

// Page is a part of a member's list. It is never empty. Late reports that another member was read to the end before.
type Page struct {
	Node     network.Node
	Messages []storage.Stored
	Late     bool
}

// Truncated reports that a member's list was not read to its end. The next poll continues there.
type Truncated struct {
	Node     network.Node
	Messages int // that were read
}

// Retrieve asks three members of the account's swarm at once for its messages: with UseCursors those of the last time as
// long as they answer, else random ones. It calls handle with their answers, page by page, one at a time. The same
// message usually comes from all three. Another member replaces one that fails. Once two members were read to the end,
// Retrieve does not wait for a late third one, nor, with UseCursors, for one that was not read before.
//
// What the first member gives is all taken, up to maxRead; those after it are bounded by ExtraMessages and ExtraBytes in
// new messages, of which handle returns the number for pages that are Late, and by time. The error is handle's, wraps
// [ErrNotRetrieved] if no member was read to the end, is the network's, or the context's.
func (b *Box) Retrieve(ctx context.Context, options RetrieveOptions,
	handle func(Page) (fresh int, err error)) (err error) {
	ctx, span := trace.Start(ctx, trace.SpanRetrieve)
	defer func() { span.End(err) }()
	generation, err := b.network.Generation(ctx)
	if err != nil {
		return err
	}
	judge := &retrieveJudge{
		span:   span,
		reader: reader{network: b.network, owner: b.account, generation: generation}, log: b.log,
		handle: handle, truncated: options.Truncated, most: cmp.Or(options.MaxRead, maxRead),
		readings: make(map[network.Key]*reading), started: time.Now(),
		begin: func(node network.Node) (string, error) {
			if !options.UseCursors {
				return "", nil
			}
			return b.account.LastHash(ctx, CursorName(generation, node))
		},
	}
	sides := cmp.Or(options.Sides, network.SwarmTargets)
	question := network.Question{
		Owner: b.account.ID(), Call: network.Call{Method: storage.MethodRetrieve}, Judge: judge,
		Sides: sides, Enough: min(2, sides),
	}
	if options.UseCursors {
		judge.readers = b.network.Readers(b.account.ID())
		question.Prefer = slices.Concat(judge.readers.Read, judge.readers.Begun)
		if len(judge.readers.Read) == sides && b.network.OneIn(oneMore) {
			question.Sides++
		}
	}
	err = b.network.AskSwarm(ctx, question)
	if options.UseCursors && sides == network.SwarmTargets && err == nil && judge.failure == nil {
		b.network.KeepReaders(b.account.ID(), judge.nextReaders())
	}
	switch {
	case judge.failure != nil:
		return judge.failure
	case errors.Is(err, network.ErrUnanswered), errors.Is(err, network.ErrClock):
		return fmt.Errorf("%w: %w: %w", ErrNotRetrieved, err, errors.Join(judge.failures...))
	}
	return err
}

// oneMore is in how many retrievals with cursors one has a fourth member beside the three: if the three withhold a
// message, it comes from that one.
const oneMore = 8

// reading is the progress in a member's list.
type reading struct {
	last   string
	ended  bool // read to the end
	taken  int
	passed map[string]bool

	// New messages that the member has given after another one was read to the end.
	extraMessages, extraBytes int
}

// The bounds for the new messages of a member after another one was read to the end: a member with an endless list must
// not prolong every poll. Messages that were received before do not count, only the time that they take: as long as the
// first member took, and extraTime.
const (
	ExtraMessages = 500
	ExtraBytes    = 2 << 20
	extraTime     = 5 * time.Second
)

// retrieveJudge reads members' lists page by page.
type retrieveJudge struct {
	reader
	log       *slog.Logger
	span      *trace.Recording
	begin     func(network.Node) (last string, err error)
	handle    func(Page) (fresh int, err error)
	truncated func(Truncated) error
	most      int // messages of one member
	readings  map[network.Key]*reading
	readers   network.Readers
	started   time.Time
	ended     time.Time // when a member was read to the end
	failure   error     // of handle or truncated
	failures  []error
}

// Request implements [network.Judge].
func (j *retrieveJudge) Request(node network.Node) ([]byte, error) {
	if j.readings[node.Ed25519] == nil {
		last, err := j.begin(node)
		if err != nil {
			return nil, err
		}
		j.readings[node.Ed25519] = &reading{last: last, passed: make(map[string]bool)}
	}
	return j.request(j.readings[node.Ed25519].last)
}

// Judge implements [network.Judge].
func (j *retrieveJudge) Judge(reply network.Reply) network.Verdict {
	stored, more, err := []storage.Stored(nil), false, reply.Err
	if err == nil {
		stored, more, err = j.parse(reply.Answer)
	}
	if err != nil {
		j.log.Info("node gives no messages", "node", reply.Member.Ed25519, "error", err)
		if reply.Err == nil {
			j.failures = append(j.failures, fmt.Errorf("node %s: %w", reply.Member.Ed25519, err))
		}
		return network.Next
	}
	at := j.readings[reply.Member.Ed25519]
	if len(stored) == 0 {
		j.finish(at)
		return network.Done
	}
	j.note(reply.Member, stored)
	fresh, err := j.handle(Page{reply.Member, stored, !j.ended.IsZero()})
	if err != nil {
		j.failure = err
		return network.Stop
	}
	at.taken += len(stored)
	at.last = stored[len(stored)-1].Hash
	if !more {
		j.finish(at)
		return network.Done
	}
	if at.passed[at.last] || at.taken >= j.most || !j.affords(reply.Member, stored, fresh) {
		return j.leave(reply.Member, fresh)
	}
	at.passed[at.last] = true
	return network.Again
}

// Behind implements [network.Behind].
func (j *retrieveJudge) Behind(member network.Node) bool {
	return len(j.readers.Read) >= min(2, network.SwarmTargets) && !slices.Contains(j.readers.Read, member.Ed25519)
}

// nextReaders returns the members for the next retrieval: those that were read to the end, earlier ones first, then
// earlier ones that failed this time.
func (j *retrieveJudge) nextReaders() (next network.Readers) {
	others := slices.SortedFunc(maps.Keys(j.readings), func(a, b network.Key) int { return bytes.Compare(a[:], b[:]) })
	for _, key := range slices.Concat(j.readers.Read, j.readers.Begun, others) {
		at := j.readings[key]
		switch {
		case at == nil, slices.Contains(next.Read, key), slices.Contains(next.Begun, key):
		case at.ended && len(next.Read) < network.SwarmTargets:
			next.Read = append(next.Read, key)
		case !at.ended && at.taken > 0 && len(next.Begun) < network.SwarmTargets:
			next.Begun = append(next.Begun, key)
		}
	}
	for _, key := range j.readers.Read {
		if !slices.Contains(next.Read, key) && len(next.Read) < network.SwarmTargets {
			next.Read = append(next.Read, key)
		}
	}
	return next
}

// note records which messages a member gives.
func (j *retrieveJudge) note(member network.Node, page []storage.Stored) {
	if j.span == nil {
		return
	}
	for _, stored := range page {
		j.span.Event(trace.EventGives, trace.String(trace.KeyHash, stored.Hash), trace.Name(trace.KeyNode, member.Ed25519))
	}
}

// finish records that a member was read to the end.
func (j *retrieveJudge) finish(at *reading) {
	at.ended = true
	if j.ended.IsZero() {
		j.ended = time.Now()
	}
}

// affords reports whether a member may give more after this page, of which fresh messages are new.
func (j *retrieveJudge) affords(member network.Node, page []storage.Stored, fresh int) bool {
	if j.ended.IsZero() {
		return true
	}
	at := j.readings[member.Ed25519]
	at.extraMessages += fresh
	if fresh > 0 {
		for _, stored := range page {
			at.extraBytes += len(stored.Data)
		}
	}
	return at.extraMessages <= ExtraMessages && at.extraBytes <= ExtraBytes &&
		time.Since(j.ended) <= extraTime+j.ended.Sub(j.started)
}

// leave stops reading the list of a member before its end. It is reported unless the last page had nothing new: then
// the member repeats itself, or what others have given.
func (j *retrieveJudge) leave(member network.Node, fresh int) network.Verdict {
	taken := j.readings[member.Ed25519].taken
	j.log.Info("the rest of a member's list is left for the next poll", "node", member.Ed25519, "taken", taken)
	if fresh == 0 || j.truncated == nil {
		return network.Done
	}
	if j.failure = j.truncated(Truncated{member, taken}); j.failure != nil {
		return network.Stop
	}
	return network.Done
}
