package route

import (
	"context"
	"encoding/hex"
	"strconv"

	"sessiontool/lib/account"
	"sessiontool/lib/pow"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/trace"
)

// StoreRequest is a message for a swarm. Without a Nonce, Store first makes the proof of work. Zero StampMS means now.
// Solved, if set, is called after each new proof, before anything is sent.
type StoreRequest struct {
	To         sessionid.ID
	TTLMillis  int64
	StampMS    int64
	Data       string // base64
	Nonce      string // base64 of 8 bytes
	Difficulty int64  // of Nonce
	Solved     func(StoreRequest) error
	reseal     bool // fail with errWrongTime if the network refuses the time of the message
	own        *ownStore
}

// ownStore is what a store into a namespace of the sender's own account needs beside the message.
type ownStore struct {
	account   *account.Account
	namespace rpc28.Namespace
	replaces  []string // hashes of messages that are deleted after the store
}

// Message returns the input of the proof of work.
func (q StoreRequest) Message() pow.Message {
	return pow.Message{
		PubKey:    q.To.String(),
		Timestamp: strconv.FormatInt(q.StampMS, 10),
		TTL:       strconv.FormatInt(q.TTLMillis, 10),
		Data:      q.Data,
	}
}

// Hash returns the nodes' name for the message: 128 hex digits, or empty before the proof of work.
func (q StoreRequest) Hash() string {
	nonce, err := pow.DecodeNonce(q.Nonce)
	if err != nil {
		return ""
	}
	hash := pow.Hash(nonce, q.Message().Inner())
	return hex.EncodeToString(hash[:])
}

// proves reports whether the nonce meets difficulty, whatever difficulty it was made for.
func (q StoreRequest) proves(difficulty int64) bool {
	nonce, err := pow.DecodeNonce(q.Nonce)
	if err != nil {
		return false
	}
	_, ok := pow.Verify(q.Message(), nonce, uint64(difficulty))
	return ok
}

// body returns the request to a node, with the same texts as in the proof of work.
func (q StoreRequest) body() ([]byte, error) {
	message := q.Message()
	return storage.NewRequest(storage.MethodStore, rpc20.StoreParams{
		PubKey: message.PubKey, TTL: message.TTL, Nonce: q.Nonce, Timestamp: message.Timestamp, Data: message.Data,
	})
}

// Solve makes a request's proof of work at a difficulty. The error is [ErrDifficulty], [pow.ErrUnreachable] or the
// context's.
func (p *Prover) Solve(ctx context.Context, q *StoreRequest, difficulty int64) (err error) {
	if err := p.afford(*q, difficulty); err != nil {
		return err
	}
	ctx, span := trace.Start(ctx, trace.SpanProve, trace.Int("difficulty", difficulty))
	defer func() { span.End(err) }()
	message := q.Message()
	length, ttl := message.PayloadLen(), uint64(q.TTLMillis)
	options := pow.Options{Workers: p.options.Workers, Cores: p.options.Cores}
	if p.options.Progress != nil {
		expected := pow.Expected(length, ttl, uint64(difficulty))
		options.Progress = func(hashes uint64) { p.options.Progress(hashes, expected) }
	}
	if span != nil {
		options.Progress = counted(span, options.Progress)
		span.Set(trace.Int("expected_hashes", int64(pow.Expected(length, ttl, uint64(difficulty)))))
	}
	nonce, err := pow.Solve(ctx, message.Inner(), pow.Target(length, ttl, uint64(difficulty)), options)
	if err != nil {
		return err
	}
	q.Nonce, q.Difficulty = pow.EncodeNonce(nonce), difficulty
	return nil
}

// counted adds the number of hashes to a span.
func counted(span *trace.Recording, progress func(uint64)) func(uint64) {
	return func(hashes uint64) {
		span.Set(trace.Int("hashes", int64(hashes)))
		if progress != nil {
			progress(hashes)
		}
	}
}

// prove stamps and solves an unsolved request, and lets its owner save the proof before anything is sent.
func (s *Storer) prove(ctx context.Context, q *StoreRequest) error {
	if q.Nonce != "" {
		return nil
	}
	if q.StampMS == 0 {
		q.StampMS = s.network.Now().UnixMilli()
	}
	difficulty := s.network.Difficulty()
	if s.afford(*q, difficulty) != nil {
		difficulty = 1 // the stored value may be out of date: let the network ask for more
	}
	if err := s.Solve(ctx, q, difficulty); err != nil {
		return err
	}
	if q.Solved == nil {
		return nil
	}
	err := q.Solved(*q)
	trace.Current(ctx).Event(trace.EventSolved, trace.Error(err))
	return err
}
