package trace

import (
	"slices"
	"time"
)

// The stages of a message, in their order. Each has a state.
const (
	StageSealed     = "sealed"     // encrypted by the sender
	StageCommitted  = "committed"  // in the outbox, on disk
	StageSolved     = "solved"     // has its proof of work
	StagePath       = "path"       // onion paths were found
	StageStored     = "stored"     // at members of the recipient's swarm, or delivered to the listening node
	StageReplicated = "replicated" // at all members of the swarm
	StageFetched    = "fetched"    // by a poll of the recipient
	StageOpened     = "opened"     // decrypted by the recipient
)

// The states of a stage.
const (
	Done    = "done"
	Failed  = "failed"
	Waiting = "waiting" // not yet, and nothing has failed
	Unknown = "unknown" // nothing here knows
	Skipped = "skipped" // the message needs no such stage
)

// Stage is one stage of a message's way. At is zero unless the stage is done. Text says in words what happened.
type Stage struct {
	Name  string
	State string
	At    time.Time
	Took  time.Duration
	Text  string
}

// Member is what a member of a swarm has answered when it was asked for the message.
type Member struct {
	Node      string // its key
	Address   string
	Holds     bool
	Reachable bool
	Error     string
	AskedAt   time.Time
}

// Way is what is known of a message. StoppedAt is the stage that failed, or the one that it has not reached; it is empty
// if nothing failed and the message has arrived or nothing here knows more. Why says it in words.
type Way struct {
	Hash      string
	Arrived   bool
	StoppedAt string
	Why       string
	Stages    []Stage
	Members   []Member
	Detours   []Detour
}

// WayOf puts together what traces say of the message with a hash, and what members of the recipient's swarm have
// answered. An empty hash stands for the message that the first trace is about. Members is nil if none was asked;
// notAsked says why.
func WayOf(hash string, traces []Trace, members []Member, notAsked string) Way {
	w := &wayfinder{hash: hash, members: members, notAsked: notAsked}
	for _, t := range traces {
		w.read(t)
	}
	out := Way{Hash: w.hash, Members: members, Detours: w.detours}
	out.Stages = []Stage{
		w.sealed(), w.committed(), w.solved(), w.path(), w.stored(), w.replicated(), w.fetched(), w.opened(),
	}
	w.backwards(out.Stages)
	out.judge()
	return out
}

// wayfinder collects the spans that are about a message.
type wayfinder struct {
	hash     string
	members  []Member
	notAsked string

	trace    *Trace // in which it was sent; nil if none has it
	send     *Span
	received *Event // it was opened, or could not be
	openedIn Span
	gives    []Event
	detours  []Detour
}

// read takes from a trace what is about the message.
func (w *wayfinder) read(t Trace) {
	about := w.hash == ""
	for _, span := range t.Spans {
		if span.Name == SpanSend && (w.hash == "" && w.send == nil || w.hash != "" && sentAs(t, span, w.hash)) {
			about, w.trace, w.send = true, &t, &span
			w.hash = span.Attr(KeyHash)
		}
	}
	if w.send == nil && w.hash == "" && len(t.Spans) > 0 && t.Spans[0].Name == SpanMessage {
		w.trace = &t
	}
	if about {
		w.detours = append(w.detours, Detours(t)...)
	}
	if w.hash == "" {
		return
	}
	for _, span := range t.Spans {
		for _, event := range span.Events {
			switch {
			case event.Attr(KeyHash) != w.hash:
			case event.Name == EventGives:
				w.gives = append(w.gives, event)
			case event.Name == EventMessage && (w.received == nil || w.received.Attr("duplicate") == "true"):
				w.received, w.openedIn = &event, span
			}
		}
	}
}

// sentAs reports whether a message was sent with this hash: a new proof of work gives it another one.
func sentAs(t Trace, send Span, hash string) bool {
	return send.Attr(KeyHash) == hash || slices.ContainsFunc(t.Spans, func(s Span) bool {
		return s.Name == SpanStore && s.Parent == send.ID && s.Attr(KeyHash) == hash
	})
}

// backwards marks stages as done that are unknown but must have happened, since later ones did.
func (w *wayfinder) backwards(stages []Stage) {
	held := slices.ContainsFunc(w.members, func(m Member) bool { return m.Holds })
	for i := range stages {
		later := held && i < slices.IndexFunc(stages, func(s Stage) bool { return s.Name == StageReplicated })
		for _, stage := range stages[i+1:] {
			later = later || stage.State == Done
		}
		if later && stages[i].State == Unknown && stages[i].Name != StageReplicated {
			stages[i].State, stages[i].Text = Done, noSender+", but the message came further"
		}
	}
}

// judge sets Arrived, StoppedAt and Why.
func (w *Way) judge() {
	last := -1
	for i, stage := range w.Stages {
		if stage.State == Done {
			last = i
		}
		w.Arrived = w.Arrived || stage.Name == StageOpened && stage.State == Done
	}
	for _, stage := range w.Stages {
		if stage.State == Failed {
			w.StoppedAt, w.Why = stage.Name, stage.Text
			break
		}
	}
	if w.StoppedAt == "" && !w.Arrived && last+1 < len(w.Stages) {
		switch next := w.Stages[last+1]; {
		case next.State == Waiting:
			w.StoppedAt, w.Why = next.Name, next.Text
		case last < 0:
			w.Why = "nothing here knows of it"
		default:
			w.Why = w.Stages[last].Name + "; what came after that is not known here: " + next.Text
		}
	}
	switch {
	case w.Arrived && w.StoppedAt == "":
		w.Why = "it has arrived"
	case w.Arrived:
		w.Why = "it has arrived, but not at every member: " + w.Why
	}
}
