package account

import (
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
)

// effortSteps is how many steps of receiving chains one batch may cost for messages far ahead of one contact, whether
// they open or not: two times what one message may cost. An honest contact needs as many steps as messages were lost.
const effortSteps = 2 * ratchet.MaxAhead

// contactTrials and claimedTrials are how many steps the messages of one batch may cost that do not open, beyond those
// that are free for each: those of one contact, and all those whose sender is only claimed. They are some tenths of a
// second of a core. See [ratchet.Trials].
const (
	contactTrials = 1 << 18
	claimedTrials = 1 << 16
)

// efforts are those of one batch. All messages whose sender is only claimed share one, since any stranger can send
// them.
type efforts struct {
	contacts map[sessionid.ID]*ratchet.Effort
	claimed  *ratchet.Effort

	contactTrials map[sessionid.ID]*ratchet.Trials
	claimedTrials *ratchet.Trials
}

func newEfforts() *efforts {
	return &efforts{
		make(map[sessionid.ID]*ratchet.Effort), ratchet.NewEffort(ratchet.MaxAhead),
		make(map[sessionid.ID]*ratchet.Trials), ratchet.NewTrials(claimedTrials),
	}
}

// of returns the effort for a message.
func (e *efforts) of(sender sessionid.ID, claimed bool) *ratchet.Effort {
	if claimed {
		return e.claimed
	}
	if e.contacts[sender] == nil {
		e.contacts[sender] = ratchet.NewEffort(effortSteps)
	}
	return e.contacts[sender]
}

// trialsOf returns the trials for a message.
func (e *efforts) trialsOf(sender sessionid.ID, claimed bool) *ratchet.Trials {
	if claimed {
		return e.claimedTrials
	}
	if e.contactTrials[sender] == nil {
		e.contactTrials[sender] = ratchet.NewTrials(contactTrials)
	}
	return e.contactTrials[sender]
}
