package route

import (
	"context"

	"sessiontool/lib/account"
	"sessiontool/lib/message"
	"sessiontool/lib/storage"
	"sessiontool/lib/trace"
)

// storeRounds bounds how often a store starts over with a new proof.
const storeRounds = 5

// Store stores a message in the recipient's swarm with the network's storage RPC. The receipt has the answer of each
// member, also on failure; late members are pending. Errors wrap [ErrNotStored], [ErrRefused], [ErrClock],
// [ErrDifficulty], [envelope.ErrMalformed] or the network's, or are the context's or Solved's.
func (s *Storer) Store(ctx context.Context, q StoreRequest) (account.Receipt, error) {
	generation, err := s.network.Generation(ctx)
	if err != nil {
		return newReceipt(q), err
	}
	store := s.store20
	if generation == storage.Generation28 {
		store = s.store28
	}
	ctx, span := trace.Start(ctx, trace.SpanStore, trace.String("rpc", string(generation)),
		trace.Int("quorum", s.options.Quorum))
	receipt, err := store(ctx, q)
	span.Set(trace.String(trace.KeyHash, receipt.MessageHash), trace.Int("stored", receipt.Stored))
	span.End(err)
	receipt.ClockOffsetMS = s.network.Offset().Milliseconds()
	return receipt, err
}

func newReceipt(q StoreRequest) account.Receipt {
	return account.Receipt{To: q.To, Route: message.RouteAsync, TTLMillis: q.TTLMillis}
}
