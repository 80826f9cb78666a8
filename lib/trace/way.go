package trace

import (
	"fmt"
	"slices"
	"strings"
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

// Detour is a request that needed more than its first path. Culprit is the node at fault and Place its place on the
// path; both are empty if no fault was found. Agreed says that the fault shows through two guards. Lost is the time that
// passed before the path that has answered was tried; it is the whole time if none has.
type Detour struct {
	Method   string
	Target   string
	Attempts int
	Probes   int
	Culprit  string
	Place    string
	Agreed   bool
	Answered bool
	Lost     time.Duration
	Text     string
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

// noSender is the text of the stages that only a trace of the sender knows.
const noSender = "no trace of the sender is here"

// within returns the spans with a name that belong to the message.
func (w *wayfinder) within(name string) []Span {
	if w.trace == nil {
		return nil
	}
	return w.trace.Find(name)
}

// unsent is the state of a stage that the sender has not reached, or that is not known.
func (w *wayfinder) unsent(name string) Stage {
	if w.trace == nil {
		return Stage{Name: name, State: Unknown, Text: noSender}
	}
	return Stage{Name: name, State: Waiting, Text: "not reached"}
}

func ended(name string, span Span, text string) Stage {
	if span.State == StateFailed {
		return Stage{Name: name, State: Failed, Took: span.Took(), Text: span.Error}
	}
	return Stage{Name: name, State: Done, At: span.End, Took: span.Took(), Text: text}
}

func (w *wayfinder) sealed() Stage {
	if spans := w.within(SpanSeal); len(spans) > 0 {
		last := spans[len(spans)-1]
		return ended(StageSealed, last, "with protocol "+last.Attr("protocol"))
	}
	if w.send != nil {
		return Stage{Name: StageSealed, State: Done, At: w.send.Start, Text: "by an earlier command"}
	}
	return w.unsent(StageSealed)
}

func (w *wayfinder) committed() Stage {
	for _, seal := range w.within(SpanSeal) {
		for _, commit := range w.within(SpanCommit) {
			if commit.Parent == seal.ID {
				return ended(StageCommitted, commit, "in the outbox, before anything left this machine")
			}
		}
	}
	if w.send != nil {
		return Stage{Name: StageCommitted, State: Done, At: w.send.Start, Text: "by an earlier command"}
	}
	return w.unsent(StageCommitted)
}

func (w *wayfinder) solved() Stage {
	if spans := w.within(SpanProve); len(spans) > 0 {
		last := spans[len(spans)-1]
		return ended(StageSolved, last, fmt.Sprintf("%s hashes in %s at difficulty %s, about %s expected",
			last.Attr("hashes"), last.Took().Round(10*time.Microsecond), last.Attr("difficulty"), last.Attr("expected_hashes")))
	}
	if w.send != nil && w.send.Attr("route") == "sync" {
		return Stage{Name: StageSolved, State: Skipped, Text: "the synchronous route needs no proof of work"}
	}
	for _, store := range w.within(SpanStore) {
		if store.Attr("rpc") != "2.0" {
			return Stage{Name: StageSolved, State: Skipped, Text: "storage RPC " + store.Attr("rpc") + " asks for none"}
		}
		return Stage{Name: StageSolved, State: Done, At: store.Start, Text: "by an earlier command"}
	}
	return w.unsent(StageSolved)
}

// requests returns the requests that carry the message.
func (w *wayfinder) requests() (found []Span) {
	for _, span := range w.within(SpanRequest) {
		if method := span.Attr(KeyMethod); method == "store" || method == "sequence" || method == "deliver" {
			found = append(found, span)
		}
	}
	return found
}

func (w *wayfinder) path() Stage {
	requests := w.requests()
	if len(requests) == 0 {
		return w.unsent(StagePath)
	}
	var attempts []Span
	for _, request := range requests {
		for _, attempt := range w.within(SpanAttempt) {
			if attempt.Parent == request.ID && attempt.Attr("guard") != "" {
				attempts = append(attempts, attempt)
			}
		}
	}
	if len(attempts) == 0 {
		last := requests[len(requests)-1]
		return Stage{Name: StagePath, State: Failed, Took: last.Took(), Text: "no onion path: " + last.Error}
	}
	var texts []string
	for _, attempt := range attempts[:min(len(attempts), 4)] {
		texts = append(texts, hopsOf(attempt))
	}
	if more := len(attempts) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return Stage{
		Name: StagePath, State: Done, At: attempts[0].Start,
		Text: "guard (kept), two relays (drawn), target: " + strings.Join(texts, "; "),
	}
}

// hopsOf names the hops of an attempt.
func hopsOf(attempt Span) string {
	return strings.Join([]string{
		short(attempt.Attr("guard")), short(attempt.Attr("relay_1")), short(attempt.Attr("relay_2")),
		short(attempt.Attr("target")),
	}, " > ")
}

// short is the beginning of a node's key, by which texts name it.
func short(key string) string { return key[:min(len(key), 8)] }

func (w *wayfinder) stored() Stage {
	if w.send == nil {
		return w.unsent(StageStored)
	}
	var holders []string
	for _, event := range w.send.Events {
		if event.Name == EventStored {
			holders = append(holders, short(event.Attr(KeyNode)))
		}
	}
	at, took := w.send.End, w.send.Took()
	for _, store := range w.within(SpanStore) {
		at, took = store.End, store.Took()
	}
	switch {
	case w.send.Attr("route") == "sync" && w.send.State == StateOK:
		return Stage{Name: StageStored, State: Skipped, Text: "delivered to the listening node and acknowledged"}
	case len(holders) > 0 && w.send.State == StateOK:
		return Stage{
			Name: StageStored, State: Done, At: at, Took: took,
			Text: fmt.Sprintf("%d members have it: %s", len(holders), strings.Join(holders, ", ")),
		}
	case w.send.State == StateOpen:
		return Stage{Name: StageStored, State: Waiting, Text: "under way"}
	}
	text := w.send.Error
	if said := w.answers(); said != "" {
		text += " (" + said + ")"
	}
	return Stage{Name: StageStored, State: Failed, Took: took, Text: text}
}

// answers says what the members answered that did not take the message.
func (w *wayfinder) answers() string {
	var said []string
	for _, member := range w.within(SpanMember) {
		if member.State == StateFailed && len(said) < 5 {
			said = append(said, short(member.Attr(KeyNode))+": "+member.Error)
		}
	}
	return strings.Join(said, "; ")
}

func (w *wayfinder) replicated() Stage {
	if w.send != nil && w.send.Attr("route") == "sync" && w.send.State == StateOK {
		return Stage{Name: StageReplicated, State: Skipped, Text: "the synchronous route stores nothing"}
	}
	if w.members == nil {
		return Stage{Name: StageReplicated, State: Unknown, Text: w.notAsked}
	}
	var silent, lacking []string
	holding := 0
	for _, member := range w.members {
		switch {
		case member.Holds:
			holding++
		case !member.Reachable || member.Error != "":
			silent = append(silent, fmt.Sprintf("%s (%s)", short(member.Node), member.Error))
		default:
			lacking = append(lacking, short(member.Node))
		}
	}
	all := len(w.members)
	stage := Stage{Name: StageReplicated, State: Failed}
	switch {
	case all == 0:
		return Stage{Name: StageReplicated, State: Unknown, Text: "the swarm has no member"}
	case holding == all:
		return Stage{
			Name: StageReplicated, State: Done, At: w.members[0].AskedAt,
			Text: fmt.Sprintf("all %d members have it when asked%s", all, w.since()),
		}
	case holding == 0:
		stage.State = Unknown
		if w.received == nil {
			stage.State = Failed
		}
		stage.Text = fmt.Sprintf("none of %d members has it: it is for another account, was never stored, or has expired",
			all)
		return stage
	case len(lacking) > 0:
		stage.Text = fmt.Sprintf("%d of %d members have it. %s %s it%s, though they answer requests: replica updates from "+
			"the members that have it do not reach them", holding, all, strings.Join(lacking, ", "),
			plural(len(lacking), "lacks", "lack"), w.since())
		stage.Text = strings.Replace(stage.Text, "though they answer requests",
			plural(len(lacking), "though it answers requests", "though they answer requests"), 1)
		stage.Text = strings.Replace(stage.Text, "do not reach them", plural(len(lacking), "do not reach it",
			"do not reach them"), 1)
		if len(silent) > 0 {
			stage.Text += "; " + strings.Join(silent, ", ") + " cannot be asked"
		}
	default:
		stage.Text = fmt.Sprintf("%d of %d members have it; %s cannot be asked", holding, all, strings.Join(silent, ", "))
	}
	if w.fresh() {
		stage.State = Waiting
	}
	return stage
}

// settle is how long replica updates may take before their absence is a fault.
const settle = 2 * time.Second

// age is how long ago the message was stored when members were asked; 0 if that is not known.
func (w *wayfinder) age() time.Duration {
	if w.send == nil || len(w.members) == 0 {
		return 0
	}
	return w.members[0].AskedAt.Sub(w.send.End)
}

func (w *wayfinder) fresh() bool { return w.send != nil && w.age() < settle }

func (w *wayfinder) since() string {
	if age := w.age(); age > 0 {
		return fmt.Sprintf(" %s after it was stored", age.Round(time.Millisecond))
	}
	return ""
}

func plural(count int, one, many string) string {
	if count == 1 {
		return one
	}
	return many
}

func (w *wayfinder) fetched() Stage {
	if w.send != nil && w.send.Attr("route") == "sync" && w.send.State == StateOK {
		return Stage{Name: StageFetched, State: Skipped, Text: "the recipient listens"}
	}
	if len(w.gives) > 0 {
		first := slices.MinFunc(w.gives, func(a, b Event) int { return a.At.Compare(b.At) })
		var nodes []string
		for _, event := range w.gives {
			if name := short(event.Attr(KeyNode)); !slices.Contains(nodes, name) {
				nodes = append(nodes, name)
			}
		}
		return Stage{Name: StageFetched, State: Done, At: first.At, Text: "from " + strings.Join(nodes, ", ")}
	}
	if w.received != nil {
		return Stage{Name: StageFetched, State: Done, At: w.received.At}
	}
	if w.members == nil {
		return Stage{Name: StageFetched, State: Unknown, Text: "no trace of the recipient is here"}
	}
	return Stage{Name: StageFetched, State: Waiting, Text: "no poll in this journal has got it"}
}

func (w *wayfinder) opened() Stage {
	switch {
	case w.send != nil && w.send.Attr("route") == "sync" && w.send.State == StateOK:
		return Stage{Name: StageOpened, State: Done, At: w.send.End, Text: "the recipient's acknowledgement proves it"}
	case w.received != nil && w.received.Attr("failure") != "":
		return Stage{Name: StageOpened, State: Failed, Text: "the recipient cannot open it: " + w.received.Attr("failure")}
	case w.received != nil:
		return Stage{
			Name: StageOpened, State: Done, At: w.openedIn.End, Took: w.openedIn.Took(),
			Text: "as " + w.received.Attr("kind") + " " + w.received.Attr("id"),
		}
	case w.members == nil:
		return Stage{Name: StageOpened, State: Unknown, Text: "no trace of the recipient is here"}
	}
	return Stage{Name: StageOpened, State: Waiting, Text: "not reached"}
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

// Opened counts the messages that a trace shows as opened, and those that could not be. Messages that were received
// before do not count.
func (t Trace) Opened() (opened, failed int) {
	for _, span := range t.Spans {
		for _, event := range span.Events {
			switch {
			case event.Name != EventMessage || event.Attr("duplicate") == "true":
			case event.Attr("failure") != "":
				failed++
			default:
				opened++
			}
		}
	}
	return opened, failed
}

// Summary says in a few words what a trace is of that does not belong to one message.
func (t Trace) Summary() string {
	if len(t.Spans) == 0 {
		return ""
	}
	root := t.Spans[0]
	text := root.Name
	if root.Name == SpanPoll {
		opened, failed := t.Opened()
		text = fmt.Sprintf("poll: %d new %s", opened, plural(opened, "message", "messages"))
		if failed > 0 {
			text += fmt.Sprintf(", and %d that cannot be opened", failed)
		}
	}
	if root.State == StateFailed {
		text += "; failed: " + root.Error
	}
	return text
}

// Detours returns the requests of a trace that needed more than their first path, or whose path was examined and has a
// node at fault.
func Detours(t Trace) (detours []Detour) {
	for _, request := range t.Spans {
		if request.Name != SpanRequest {
			continue
		}
		d := Detour{Method: request.Attr(KeyMethod), Target: request.Attr("target"), Lost: request.Took()}
		var attempts []Span
		diagnoses := make(map[SpanID]bool)
		for _, span := range t.Spans {
			switch {
			case span.Name == SpanAttempt && span.Parent == request.ID:
				attempts = append(attempts, span)
				if span.State == StateOK && !d.Answered {
					d.Answered, d.Lost = true, span.Start.Sub(request.Start)
				}
			case span.Name == SpanDiagnosis && span.Parent == request.ID:
				diagnoses[span.ID] = true
				if span.Attr("culprit") != "" && (d.Culprit == "" || span.Attr("agreed") == "true") {
					d.Culprit, d.Place, d.Agreed = span.Attr("culprit"), span.Attr("place"), span.Attr("agreed") == "true"
				}
			case span.Name == SpanProbe && diagnoses[span.Parent]:
				d.Probes++
			}
		}
		if d.Attempts = len(attempts); d.Attempts > 1 || d.Culprit != "" {
			d.Text = d.words(attempts)
			detours = append(detours, d)
		}
	}
	return detours
}

// words describes a detour.
func (d Detour) words(attempts []Span) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s", d.Method, short(d.Target))
	for i, attempt := range attempts {
		fmt.Fprintf(&b, "; path %d, %s: ", i+1, hopsOf(attempt))
		if attempt.State == StateOK {
			fmt.Fprintf(&b, "answer after %s", attempt.Took().Round(time.Millisecond))
		} else {
			fmt.Fprintf(&b, "%s (%s)", attempt.Error, attempt.Took().Round(time.Millisecond))
		}
	}
	switch {
	case d.Culprit != "" && d.Agreed:
		fmt.Fprintf(&b, "; %s (%s) is at fault: it hangs or fails through two guards", d.Place, short(d.Culprit))
	case d.Culprit != "":
		fmt.Fprintf(&b, "; %s (%s) is suspected, through one guard", d.Place, short(d.Culprit))
	}
	fmt.Fprintf(&b, "; cost: %d more %s, %d %s, %s later", max(d.Attempts-1, 0),
		plural(d.Attempts-1, "request", "requests"), d.Probes, plural(d.Probes, "probe", "probes"),
		d.Lost.Round(time.Millisecond))
	return b.String()
}
