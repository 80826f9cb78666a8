package node

import (
	"encoding/binary"
	"fmt"
	"net/http"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/rpc"
)

// Paths at which members of a swarm find out what the other has, all of them signed POSTs of our own:
//
//	digest  nothing -> digests of what the asked node has for the swarm
//	names   slots, last name -> names that follow it in these slots and their lives, at most maxNames, in ascending order
//	fetch   names -> u32 big-endian number of names dealt with, and the records of messages among them that are known
//
// and one at which any node asks, before it hands messages over, which of them are wanted:
//
//	offer   names -> a byte for each: offerHas, offerWants or offerNotMine
const (
	DigestPath = "/swarms/digest/v2"
	NamesPath  = "/swarms/names/v2"
	FetchPath  = "/swarms/fetch/v2"
	OfferPath  = "/swarms/offer/v2"
)

const (
	// maxNames bounds a list of names, which stays below smallBody.
	maxNames = 2048
	// maxFetchBytes bounds the messages of one answer, unless a single one exceeds it.
	maxFetchBytes = 1 << 20
	// maxFetchAnswer bounds an answer in any case.
	maxFetchAnswer = countSize + maxFetchBytes + store.MaxEncodedRecord
)

// countSize is the size of the number of names at the start of an answer to fetch.
const countSize = 4

// What a node says to an offered message.
const (
	offerHas byte = iota
	offerWants
	offerNotMine // the owner belongs to another swarm, as far as the asked node knows
)

// serveDigest sums up what this node has for the swarm that both nodes are in.
func (n *Node) serveDigest(r *http.Request, view *ring.View, from *ring.Peer, _ []byte) (answer, error) {
	if err := fellowMember(view, from); err != nil {
		return answer{}, err
	}
	if !n.scans.acquire(r.Context()) {
		return answer{}, r.Context().Err()
	}
	defer n.scans.release()
	sums, err := n.store.Digest(n.now().UnixMilli(), view.Owns)
	if err != nil {
		return answer{}, err
	}
	body := make([]byte, 0, store.DigestSlots*store.DigestSize)
	for _, sum := range sums {
		body = append(body, sum[:]...)
	}
	return bareAnswer(rpc.StatusOK, string(body)), nil
}

func parseDigests(body []byte) (*store.Digests, error) {
	var sums store.Digests
	if len(body) != len(sums)*store.DigestSize {
		return nil, fmt.Errorf("digests have %d bytes", len(body))
	}
	for slot := range sums {
		copy(sums[slot][:], body[slot*store.DigestSize:])
	}
	return &sums, nil
}

// fellowMember refuses a node of another swarm: messages and their names are for those alone who keep them anyway.
func fellowMember(view *ring.View, from *ring.Peer) error {
	if !view.SharesSwarm(from) {
		return refuse(http.StatusForbidden, "Not a member of this swarm\n")
	}
	return nil
}

// serveNames lists what this node has in some slots.
func (n *Node) serveNames(r *http.Request, view *ring.View, from *ring.Peer, body []byte) (answer, error) {
	if err := fellowMember(view, from); err != nil {
		return answer{}, err
	}
	slots, after, ok := parseNamesRequest(body)
	if !ok {
		return answer{}, refuse(rpc.StatusBadRequest, "slots and a name expected\n")
	}
	if !n.scans.acquire(r.Context()) {
		return answer{}, r.Context().Err()
	}
	defer n.scans.release()
	names, err := n.namesIn(slots, after, view)
	if err != nil {
		return answer{}, err
	}
	return bareAnswer(rpc.StatusOK, string(appendListed(nil, names))), nil
}

// listed is a message as a list of what a node has names it.
type listed struct {
	name store.Name
	life store.Version
}

// listedSize is the length of an encoded listed.
const listedSize = store.NameSize + store.VersionSize

// namesIn lists the first maxNames messages after the given name of what this node has in slots for its swarm.
func (n *Node) namesIn(slots store.SlotSet, after store.Name, view *ring.View) (names []listed, err error) {
	err = n.store.Scan(after, n.now().UnixMilli(), view.Owns, func(name store.Name, life store.Version) bool {
		if slots.Has(name.Slot()) {
			names = append(names, listed{name, life})
		}
		return len(names) < maxNames
	})
	return names, err
}

func appendListed(b []byte, list []listed) []byte {
	for _, l := range list {
		b = l.life.AppendTo(append(b, l.name[:]...))
	}
	return b
}

// parseListed reads at most maxNames names with lives.
func parseListed(body []byte) ([]listed, error) {
	if len(body)%listedSize != 0 || len(body) > maxNames*listedSize {
		return nil, fmt.Errorf("a list of at most %d messages cannot have %d bytes", maxNames, len(body))
	}
	list := make([]listed, 0, len(body)/listedSize)
	for len(body) > 0 {
		l := listed{name: store.Name(body)}
		var err error
		if l.life, body, err = store.CutVersion(body[store.NameSize:]); err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}

func namesRequest(slots store.SlotSet, after store.Name) []byte { return append(slots[:], after[:]...) }

func parseNamesRequest(body []byte) (slots store.SlotSet, after store.Name, ok bool) {
	if len(body) != len(slots)+len(after) {
		return slots, after, false
	}
	copy(after[:], body[copy(slots[:], body):])
	return slots, after, true
}

func appendNames(b []byte, names []store.Name) []byte {
	for _, name := range names {
		b = append(b, name[:]...)
	}
	return b
}

// parseNames reads at most maxNames names.
func parseNames(body []byte) ([]store.Name, error) {
	if len(body)%store.NameSize != 0 || len(body) > maxNames*store.NameSize {
		return nil, fmt.Errorf("a list of at most %d names cannot have %d bytes", maxNames, len(body))
	}
	names := make([]store.Name, 0, len(body)/store.NameSize)
	for ; len(body) > 0; body = body[store.NameSize:] {
		names = append(names, store.Name(body))
	}
	return names, nil
}

// serveFetch gives messages of the swarm that both nodes are in.
func (n *Node) serveFetch(_ *http.Request, view *ring.View, from *ring.Peer, body []byte) (answer, error) {
	if err := fellowMember(view, from); err != nil {
		return answer{}, err
	}
	names, err := parseNames(body)
	if err != nil {
		return answer{}, refuse(rpc.StatusBadRequest, "%v\n", err)
	}
	for _, name := range names {
		if !view.Owns(name.Owner()) {
			return answer{}, refuse(http.StatusForbidden, "Not a message of this swarm\n")
		}
	}
	encoded, taken, err := n.store.Encode(names, maxFetchBytes)
	if err != nil {
		return answer{}, err
	}
	return bareAnswer(rpc.StatusOK, string(append(binary.BigEndian.AppendUint32(nil, uint32(taken)), encoded...))), nil
}

// parseFetched reads the answer to a request for asked messages.
func parseFetched(body []byte, asked int) (records []store.Record, taken int, err error) {
	if len(body) < countSize {
		return nil, 0, fmt.Errorf("answer of %d bytes has no count", len(body))
	}
	count := binary.BigEndian.Uint32(body)
	if count == 0 || int64(count) > int64(asked) {
		return nil, 0, fmt.Errorf("answer deals with %d of %d messages", count, asked)
	}
	taken = int(count)
	records, err = store.DecodeRecords(body[countSize:])
	if err == nil && len(records) > taken {
		err = fmt.Errorf("answer has %d messages instead of %d", len(records), taken)
	}
	return records, taken, err
}

// serveOffer says which messages this node lacks. Others learn no more than whether a message whose name they know is
// there.
func (n *Node) serveOffer(_ *http.Request, view *ring.View, _ *ring.Peer, body []byte) (answer, error) {
	names, err := parseNames(body)
	if err != nil {
		return answer{}, refuse(rpc.StatusBadRequest, "%v\n", err)
	}
	missing, err := n.store.Missing(names)
	if err != nil {
		return answer{}, err
	}
	verdicts := make([]byte, len(names))
	for i, name := range names {
		switch {
		case !view.Owns(name.Owner()):
			verdicts[i] = offerNotMine
		case missing[i]:
			verdicts[i] = offerWants
		}
	}
	return bareAnswer(rpc.StatusOK, string(verdicts)), nil
}
