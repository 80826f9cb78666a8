package account

import (
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
)

// effortSteps is how many steps of receiving chains one batch may cost for messages far ahead of one contact, whether
// they open or not: two times what one message may cost. An honest contact needs as many steps as messages were lost.
const effortSteps = 2 * ratchet.MaxAhead

// efforts are those of one batch. All messages whose sender is only claimed share one, since any stranger can send
// them.
type efforts struct {
	contacts map[sessionid.ID]*ratchet.Effort
	claimed  *ratchet.Effort
}

func newEfforts() *efforts {
	return &efforts{make(map[sessionid.ID]*ratchet.Effort), ratchet.NewEffort(ratchet.MaxAhead)}
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
