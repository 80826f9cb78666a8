package account

import (
	"context"
	"errors"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
)

// errRehearsed ends the transaction of a rehearsal, so that nothing of it stays.
var errRehearsed = errors.New("rehearsed")

// Rehearsal is what [Account.Send] would do with a draft.
type Rehearsal struct {
	Message  Outgoing // as it would be sealed now
	Repeated bool     // an earlier run has a receipt for it, so that nothing would be sent
	Resumed  bool     // an earlier run has sealed it, and the message would go on
	// FetchKey means that the recipient's key would be fetched first. If there is one, the message has session-v2.
	FetchKey bool
	// Listens means that the contact is online as far as is known, so that the synchronous route would be tried.
	Listens bool
}

// Rehearse does what [Account.Send] does with a draft, and changes nothing. Errors are those of Send.
func (a *Account) Rehearse(ctx context.Context, draft Draft) (r Rehearsal, err error) {
	if err := draft.Complete(); err != nil {
		return r, err
	}
	err = a.update(ctx, func(tx *keystore.Tx) error {
		earlier, found, err := a.resumeText(tx, draft)
		if err != nil {
			return err
		}
		if r.Message = earlier; found {
			r.Repeated, r.Resumed = earlier.Receipt != nil, earlier.Receipt == nil
			return errRehearsed
		}
		known, err := a.peerKeys(tx, draft)
		if err != nil {
			return err
		}
		r.FetchKey = known.Before
		if r.Message, err = a.sealDraft(tx, draft); err != nil {
			return err
		}
		contact, _, err := contacts.Load(tx, draft.To)
		if err != nil {
			return err
		}
		r.Listens = Protocol(r.Message.Protocol) == ProtocolSignal && contact.Status != nil &&
			contact.Status.Node != "" && contact.Status.Fresh(a.env.Now())
		return errRehearsed
	})
	if errors.Is(err, errRehearsed) {
		err = nil
	}
	return r, err
}
