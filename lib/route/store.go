package route

import (
	"context"

	"sessiontool/lib/account"
	"sessiontool/lib/storage"
)

// storeRounds bounds how often a store starts over with a new proof.
const storeRounds = 5

// maxErrorText bounds in bytes what a receipt repeats of a node's words.
const maxErrorText = 200

// Store stores a message in the recipient's swarm, in the way of the network's generation. The receipt says what each
// member answered, also on failure; members whose answer is late are pending. Errors wrap ErrNotStored, ErrRefused,
// ErrClock, ErrDifficulty, envelope.ErrMalformed or the network's, or are the context's or Solved's.
func (s *Storer) Store(ctx context.Context, q StoreRequest) (account.Receipt, error) {
	generation, err := s.network.Generation(ctx)
	if err != nil {
		return newReceipt(q), err
	}
	store := s.store20
	if generation == storage.Generation28 {
		store = s.store28
	}
	receipt, err := store(ctx, q)
	receipt.ClockOffsetMS = s.network.Offset().Milliseconds()
	return receipt, err
}

func newReceipt(q StoreRequest) account.Receipt {
	return account.Receipt{To: q.To, Route: account.RouteAsync, TTLMillis: q.TTLMillis}
}
