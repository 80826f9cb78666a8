// Package clocks determines the clock of a service node: by the time in its answers, or by the timestamps that it
// accepts.
//
// A node of storage RPC 2.0 refuses a message whose timestamp is more than storage.MaxFutureMillis ahead of its clock,
// or whose time to live is over, before it checks the proof of work (storage-2.0.md section 2.2). So it accepts a window
// of timestamps that ends storage.MaxFutureMillis after its clock. A [Search] finds that end, with messages for an
// address without an owner and with an invalid proof: nothing is stored.
package clocks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"sessiontool/lib/pow"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

const (
	// window is the width of the window of timestamps that a node accepts.
	window = (storage.MaxTTLMillis20 + storage.MaxFutureMillis) * time.Millisecond
	// step is the distance of the first timestamps of a search. No window fits between two of them.
	step = storage.MaxTTLMillis20 * time.Millisecond
	// steps is how many of them are tried on either side of the known time: four weeks.
	steps = 6
	// Exact is the precision at which a search ends.
	Exact = 2 * time.Second
	// probes is how many requests a search makes at a time.
	probes = 5
)

// errNone reports a node that accepts no timestamp within reach.
var errNone = errors.New("it accepts no timestamp of these weeks")

// Search finds the end of the window of one node. All times are relative to this machine's clock, so that the window
// does not move meanwhile.
type Search struct {
	Now   func() time.Time
	Known time.Duration // how far the network's clock is ahead, as far as it is known
	To    sessionid.ID  // an address without an owner, in the node's swarm
	// Ask sends a store request to the node and returns the status of the answer.
	Ask func(ctx context.Context, body []byte) (status int, err error)
}

// Run returns how far the node's clock is ahead, exact to Exact and the time of a request.
func (s *Search) Run(ctx context.Context) (time.Duration, error) {
	low, err := s.start(ctx)
	if err != nil {
		return 0, err
	}
	high := low + window + Exact
	// The known time is often right, so the first round searches around the end of the window of such a clock.
	const end = storage.MaxFutureMillis * time.Millisecond
	ahead := []time.Duration{end - 3*time.Second, end - time.Second, end + time.Second, end + 3*time.Second,
		2 * time.Hour}
	for high-low > Exact {
		points := make([]time.Duration, len(ahead))
		for i, distance := range ahead {
			points[i] = low + distance
		}
		accepted, err := s.probe(ctx, points)
		if err != nil {
			return 0, err
		}
		for i, point := range points {
			if !accepted[i] {
				high = point
				break
			}
			low = point
		}
		ahead = ahead[:0]
		for i := 1; i <= probes; i++ {
			ahead = append(ahead, (high-low)*time.Duration(i)/(probes+1))
		}
	}
	return (low+high)/2 - end, nil
}

// start returns a time that the node accepts: the known time, or one of the weeks around it.
func (s *Search) start(ctx context.Context) (time.Duration, error) {
	tries := []time.Duration{s.Known}
	for next := 1; next <= steps+1; next += 2 {
		accepted, err := s.probe(ctx, tries)
		if err != nil {
			return 0, err
		}
		if first := slices.Index(accepted, true); first >= 0 {
			return tries[first], nil
		}
		tries = tries[:0]
		for i := next; i < next+2; i++ {
			tries = append(tries, s.Known-time.Duration(i)*step, s.Known+time.Duration(i)*step)
		}
	}
	return 0, errNone
}

// probe asks at once which of several times, relative to this machine's clock, the node accepts.
func (s *Search) probe(ctx context.Context, at []time.Duration) ([]bool, error) {
	accepted, failures := make([]bool, len(at)), make([]error, len(at))
	var wait sync.WaitGroup
	for i, offset := range at {
		wait.Go(func() { accepted[i], failures[i] = s.accepts(ctx, offset) })
	}
	wait.Wait()
	return accepted, errors.Join(failures...)
}

// accepts reports whether the node accepts a message of a time.
func (s *Search) accepts(ctx context.Context, offset time.Duration) (bool, error) {
	message := pow.Message{
		PubKey: s.To.String(), TTL: strconv.Itoa(storage.MaxTTLMillis20),
		Timestamp: strconv.FormatInt(s.Now().Add(offset).UnixMilli(), 10),
		Data:      base64.StdEncoding.EncodeToString([]byte("clock")),
	}
	body, err := storage.NewRequest(storage.MethodStore, rpc20.StoreParams{
		PubKey: message.PubKey, TTL: message.TTL, Timestamp: message.Timestamp, Data: message.Data,
		Nonce: invalidNonce(message),
	})
	if err != nil {
		return false, err
	}
	status, err := s.Ask(ctx, body)
	switch {
	case err != nil:
		return false, err
	case status == storage.StatusBadTimestamp:
		return false, nil
	case status == storage.StatusBadProofOfWork:
		return true, nil
	}
	return false, fmt.Errorf("status %d", status)
}

// invalidNonce returns a nonce that is invalid at every difficulty.
func invalidNonce(message pow.Message) string {
	for nonce := uint64(0); ; nonce++ {
		text := pow.EncodeNonce(nonce)
		if _, ok := pow.Verify(message, pow.DecodeNonceLenient(text), 1); !ok {
			return text
		}
	}
}
