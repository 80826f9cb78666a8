package account

import (
	"context"
	"io/fs"

	"sessiontool/keystore"
	"sessiontool/lib/presence"
	"sessiontool/lib/sessionid"
)

// tidy removes the entries whose receipts nobody will ask for, once: those of processes that have ended well, and old ones.
// It sees on the way what is left to send.
func (a *Account) tidy(tx *keystore.Tx) error {
	if a.tidied.Swap(true) {
		return nil
	}
	now := a.env.Now()
	return eachOutgoing(tx, func(out Outgoing) error {
		if a.settled(out) || out.Receipt != nil && out.over(now) && a.abandoned(out) {
			return remove(tx, out)
		}
		if out.unsent() && a.abandoned(out) {
			a.left.Store(out.To, true)
		}
		return nil
	})
}

// settled reports whether the process that reported an entry's end has ended well.
func (a *Account) settled(out Outgoing) bool {
	return out.Reported && out.Owner != a.env.Owner && a.env.Look(out.Owner) == presence.Gone
}

// ClaimEarlier takes over what waits in the outbox for the recipient of out since before out and that no living process
// works on, oldest first, but no more than most. Messages come in their order if that is sent first.
func (a *Account) ClaimEarlier(ctx context.Context, out Outgoing, most int) (claimed []Outgoing, err error) {
	mine, err := a.claim()
	if err != nil {
		return nil, err
	}
	err = a.update(ctx, func(tx *keystore.Tx) error {
		claimed = nil
		a.left.Delete(out.To)
		return eachOutgoing(tx, func(earlier Outgoing) error {
			if earlier.Seq >= out.Seq || len(claimed) == most {
				return fs.SkipAll
			}
			if earlier.To != out.To || !earlier.unsent() || !a.abandoned(earlier) || earlier.over(a.env.Now()) {
				return nil
			}
			earlier.Owner, earlier.Claimed = mine, true
			claimed = append(claimed, earlier)
			return saveOutgoing(tx, earlier)
		})
	})
	return claimed, err
}

// unsent reports whether an entry is for anybody to send.
func (o Outgoing) unsent() bool { return o.Receipt == nil && !o.OnlySync }

// behind reports whether something may wait for a recipient that nobody works on.
func (a *Account) behind(to sessionid.ID) bool {
	_, found := a.left.Load(to)
	return found
}
