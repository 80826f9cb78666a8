package replication

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
)

// Paths of the requests by which nodes compare their messages. All are signed POSTs ([peerhttp.Sign]). The first three
// are for members of the same swarm:
//
//	digest  nothing -> digests of the node's messages of the swarm
//	names   slots, last name -> names that follow it in these slots with their versions, at most MaxNames, ascending
//	fetch   names -> u32 big-endian number of processed names, and the records that the node has of them
//
// Every node may use the last one, before it hands messages over:
//
//	offer   names -> a byte for each: offerHas, offerWants or offerNotMine
const (
	DigestPath = "/swarms/digest/v2"
	NamesPath  = "/swarms/names/v2"
	FetchPath  = "/swarms/fetch/v3"
	OfferPath  = "/swarms/offer/v2"
)

const (
	// MaxNames bounds a list of names. It keeps a request below 512 KiB, above which a node reads few bodies at a time.
	MaxNames = 2048
	// maxFetchBytes bounds the records of an answer of more than one record.
	maxFetchBytes = 1 << 20
	// MaxFetchAnswer bounds every answer to a fetch.
	MaxFetchAnswer = countSize + maxFetchBytes + store.MaxEncodedRecord
)

// countSize is the size of the number of names at the start of an answer to fetch.
const countSize = 4

// Answers to an offered message.
const (
	offerHas byte = iota
	offerWants
	offerNotMine // the owner belongs to another swarm, in the answering node's view
)

// serveDigest returns the digests of this node's messages of its swarm.
func (rep *Replication) serveDigest(ctx context.Context, view *ring.View) ([]byte, error) {
	select {
	case rep.scans <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-rep.scans }()
	sums, err := rep.store.Digest(rep.now().UnixMilli(), view.Owns)
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, store.DigestSlots*store.DigestSize)
	for _, sum := range sums {
		body = append(body, sum[:]...)
	}
	return body, nil
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

// serveNames lists this node's messages in the requested slots.
func (rep *Replication) serveNames(ctx context.Context, view *ring.View, body []byte) ([]byte, error) {
	slots, after, ok := parseNamesRequest(body)
	if !ok {
		return nil, refuseRequest(storage.StatusBadRequest, "slots and a name expected\n")
	}
	select {
	case rep.scans <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-rep.scans }()
	names, err := rep.namesIn(slots, after, view)
	if err != nil {
		return nil, err
	}
	return appendListed(nil, names), nil
}

// listed is a message in a list of names.
type listed struct {
	name    store.Name
	version store.Version
}

// listedSize is the length of an encoded listed.
const listedSize = store.NameSize + store.VersionSize

// namesIn lists the first MaxNames messages of this node's swarm after the given name in the given slots.
func (rep *Replication) namesIn(slots store.SlotSet, after store.Name, view *ring.View) (names []listed, err error) {
	err = rep.store.Scan(after, rep.now().UnixMilli(), view.Owns, func(name store.Name, version store.Version) bool {
		if slots.Has(name.Slot()) {
			names = append(names, listed{name, version})
		}
		return len(names) < MaxNames
	})
	return names, err
}

func appendListed(b []byte, list []listed) []byte {
	for _, l := range list {
		b = l.version.AppendTo(append(b, l.name[:]...))
	}
	return b
}

// parseListed reads at most MaxNames names with versions.
func parseListed(body []byte) ([]listed, error) {
	if len(body)%listedSize != 0 || len(body) > MaxNames*listedSize {
		return nil, fmt.Errorf("a list of at most %d messages cannot have %d bytes", MaxNames, len(body))
	}
	list := make([]listed, 0, len(body)/listedSize)
	for len(body) > 0 {
		l := listed{name: store.Name(body)}
		var err error
		if l.version, body, err = store.CutVersion(body[store.NameSize:]); err != nil {
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

// parseNames reads at most MaxNames names.
func parseNames(body []byte) ([]store.Name, error) {
	if len(body)%store.NameSize != 0 || len(body) > MaxNames*store.NameSize {
		return nil, fmt.Errorf("a list of at most %d names cannot have %d bytes", MaxNames, len(body))
	}
	names := make([]store.Name, 0, len(body)/store.NameSize)
	for ; len(body) > 0; body = body[store.NameSize:] {
		names = append(names, store.Name(body))
	}
	return names, nil
}

// serveFetch returns records of this swarm. It refuses names of other swarms.
func (rep *Replication) serveFetch(view *ring.View, body []byte) ([]byte, error) {
	names, err := parseNames(body)
	if err != nil {
		return nil, refuseRequest(storage.StatusBadRequest, "%v\n", err)
	}
	for _, name := range names {
		if !view.Owns(name.Owner()) {
			return nil, refuseRequest(http.StatusForbidden, "Not a message of this swarm\n")
		}
	}
	encoded, taken, err := rep.store.Encode(names, maxFetchBytes)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(taken)), encoded...), nil
}

// parseFetched reads the answer to a fetch request of asked names. taken is the number of names that the answer covers.
func parseFetched(body []byte, asked int) (records []store.Record, taken int, err error) {
	if len(body) < countSize {
		return nil, 0, fmt.Errorf("answer of %d bytes has no count", len(body))
	}
	count := binary.BigEndian.Uint32(body)
	if count == 0 || int64(count) > int64(asked) {
		return nil, 0, fmt.Errorf("answer covers %d of %d messages", count, asked)
	}
	taken = int(count)
	records, err = store.DecodeRecords(body[countSize:])
	if err == nil && len(records) > taken {
		err = fmt.Errorf("answer has %d messages instead of %d", len(records), taken)
	}
	return records, taken, err
}

// serveOffer answers which of the offered messages this node lacks. It reveals only whether the node has a message
// whose name the sender knows.
func (rep *Replication) serveOffer(view *ring.View, body []byte) ([]byte, error) {
	names, err := parseNames(body)
	if err != nil {
		return nil, refuseRequest(storage.StatusBadRequest, "%v\n", err)
	}
	missing, err := rep.store.Missing(names)
	if err != nil {
		return nil, err
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
	return verdicts, nil
}
