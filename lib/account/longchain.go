package account

import (
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/sessions"
	"sessiontool/lib/message"
)

const (
	// longChain is how many messages may go unanswered before the account asks for an answer, which begins a new
	// chain. A client of 2020 opens no message that is ratchet.MaxSkip or more beyond the last one that it has read.
	longChain = 1500
	// askAnswerEvery is the number of messages between two such requests.
	askAnswerEvery = 100
	// askOthersEvery is the minimum time between two requests to a client that shows them to its user.
	askOthersEvery = 24 * time.Hour
)

// askForAnswer puts a request for an answer into the outbox if out is the last of many messages without one. No answer
// is needed for a new chain if the contact's bundle were known, but a bundle serves once. So the account sends a bundle
// of its own, from which the contact begins a session: within the session to contacts that have this program, and as
// the reset of a session, which needs no session, to others.
func (a *Account) askForAnswer(tx *keystore.Tx, out Outgoing) error {
	if out.Unanswered < longChain {
		return nil
	}
	with, err := sessions.Load(tx, out.To)
	if err != nil {
		return err
	}
	known, err := sessions.LoadChannel(tx, out.To)
	if err != nil {
		return err
	}
	chain := sessions.ChainName(with.Current().Sending().RatchetKey)
	if known.Asked == chain && out.Unanswered < known.AskedAt+askAnswerEvery {
		return nil
	}
	known.Asked, known.AskedAt = chain, out.Unanswered
	if err := sessions.SaveChannel(tx, out.To, known); err != nil {
		return err
	}
	contact, found, err := contacts.Load(tx, out.To)
	if err != nil || !found {
		return err
	}
	if contact.Status == nil {
		now := a.env.Now().UTC()
		if contacts.Early(now, contact.ResetAt, askOthersEvery) {
			return nil
		}
		return a.reset(tx, contact, now)
	}
	bundle, err := a.maker().Bundle(tx, out.To)
	if err != nil {
		return err
	}
	content := message.Background()
	content.Bundle = &bundle
	asking := Outgoing{Kind: KindControl, To: out.To, TTLMillis: controlTTL, Digest: "answer " + out.To.String()}
	if err := a.sealRatcheted(tx, &asking, content); err != nil {
		return err
	}
	return a.outbox.Add(tx, &asking, outbox.Unowned)
}
