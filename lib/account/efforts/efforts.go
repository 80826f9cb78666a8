// Package efforts bounds the work that one batch of received messages may cost, for each sender and for all messages
// whose sender is only claimed.
package efforts

import (
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
)

// effortSteps is how many steps of receiving chains one batch may cost for messages far ahead of one contact, whether
// they open or not: two times what one message may cost. An honest contact needs as many steps as messages were lost.
const effortSteps = 2 * ratchet.MaxAhead

// ContactTrials and ClaimedTrials are how many steps the messages of one batch may cost that do not open, beyond those
// that are free for each: those of one contact, and all those whose sender is only claimed. They are some tenths of a
// second of a core. See [ratchet.Trials].
const (
	ContactTrials = 1 << 18
	ClaimedTrials = 1 << 16
)

// Efforts are those of one batch. All messages whose sender is only claimed share one, since any stranger can send
// them.
type Efforts struct {
	contacts map[sessionid.ID]*ratchet.Effort
	claimed  *ratchet.Effort

	contactTrials map[sessionid.ID]*ratchet.Trials
	claimedTrials *ratchet.Trials
}

// New returns the efforts for a batch.
func New() *Efforts {
	return &Efforts{
		make(map[sessionid.ID]*ratchet.Effort), ratchet.NewEffort(ratchet.MaxAhead),
		make(map[sessionid.ID]*ratchet.Trials), ratchet.NewTrials(ClaimedTrials),
	}
}

// Of returns the effort for a message.
func (e *Efforts) Of(sender sessionid.ID, claimed bool) *ratchet.Effort {
	if claimed {
		return e.claimed
	}
	if e.contacts[sender] == nil {
		e.contacts[sender] = ratchet.NewEffort(effortSteps)
	}
	return e.contacts[sender]
}

// TrialsOf returns the trials for a message.
func (e *Efforts) TrialsOf(sender sessionid.ID, claimed bool) *ratchet.Trials {
	if claimed {
		return e.claimedTrials
	}
	if e.contactTrials[sender] == nil {
		e.contactTrials[sender] = ratchet.NewTrials(ContactTrials)
	}
	return e.contactTrials[sender]
}
