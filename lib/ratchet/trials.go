package ratchet

import "errors"

// ErrTooCostly reports a message whose trial would cost more than the receiver's [Trials] afford.
var ErrTooCostly = errors.New("message takes too much work to try")

// The work on a message that is in none of its sender's receiving chains: each session has to try it with an X25519
// agreement and the steps of a new chain, before a MAC shows that it is forged.
const (
	// freeSessions, the current one among them, try every message if it needs no more than freeSteps in each.
	freeSessions = 3
	freeSteps    = 32
	// agreementSteps is what an X25519 agreement costs, in steps of a chain.
	agreementSteps = 40
	// responderAgreements are those of X3DH and of the first step of the new session's ratchet.
	responderAgreements = 5
)

// Trials bounds the work of messages that may be forged, beyond a small part that is free for each of them. Nil affords
// any work within the limits of the protocol: MaxSkip steps in each session.
type Trials struct {
	left              int
	agreements, steps int
}

// NewTrials returns trials that cost as much as this many steps.
func NewTrials(steps int) *Trials { return &Trials{left: steps} }

// Spent returns the X25519 agreements and the steps of receiving chains that messages have cost so far, the free ones
// included. Messages far ahead cost further steps, which their [Effort] bounds.
func (t *Trials) Spent() (agreements, steps int) {
	if t == nil {
		return 0, 0
	}
	return t.agreements, t.steps
}

// afford reports whether the n-th session may try a message, and counts the work if it may.
func (t *Trials) afford(n, agreements int, steps uint32) bool {
	if t == nil {
		return true
	}
	count := int(min(steps, MaxSkip)) // further steps are the effort's
	if n >= freeSessions || count > freeSteps {
		cost := agreements*agreementSteps + count
		if cost > t.left {
			return false
		}
		t.left -= cost
	}
	t.agreements += agreements
	t.steps += count
	return true
}

// stepsOf returns the agreements and steps that a message costs in a session before its MAC can be checked.
func (s *Session) stepsOf(m received) (agreements int, steps uint32) {
	i := s.chainOf(m.RatchetKey)
	switch {
	case i < 0:
		return 1, m.Counter
	case i == len(s.receiving)-1 && m.Counter >= s.receiving[i].next:
		return 0, m.Counter - s.receiving[i].next
	}
	return 0, 0
}
