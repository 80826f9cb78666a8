package trace

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

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
	if stores := w.within(SpanStore); len(stores) > 0 {
		store := stores[0]
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
	holders := w.holders()
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
		text = "too few members took it. " + said
	}
	return Stage{Name: StageStored, State: Failed, Took: took, Text: text}
}

// holders are the members of which the sender knows that they have the message.
func (w *wayfinder) holders() (names []string) {
	for _, event := range w.send.Events {
		if event.Name == EventStored {
			names = append(names, short(event.Attr(KeyNode)))
		}
	}
	return names
}

// answers says why members did not take the message: each reason once, with the members that it is true of.
func (w *wayfinder) answers() string {
	var reasons []string
	members := make(map[string][]string)
	for _, member := range w.within(SpanMember) {
		if member.State != StateFailed || member.Attr(KeyMethod) != "store" && member.Attr(KeyMethod) != "sequence" {
			continue
		}
		name := member.Attr(KeyNode)
		reason := strings.TrimPrefix(member.Error, "service node does not answer: "+name+": ")
		if members[reason] == nil {
			reasons = append(reasons, reason)
		}
		if !slices.Contains(members[reason], short(name)) {
			members[reason] = append(members[reason], short(name))
		}
	}
	var said []string
	for _, reason := range reasons[:min(len(reasons), 5)] {
		said = append(said, strings.Join(members[reason], ", ")+": "+reason)
	}
	return strings.Join(said, "; ")
}

func (w *wayfinder) replicated() Stage {
	if w.send != nil && w.send.Attr("route") == "sync" && w.send.State == StateOK {
		return Stage{Name: StageReplicated, State: Skipped, Text: "the synchronous route stores nothing"}
	}
	if w.members == nil {
		return w.signed()
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
		stage.Text = fmt.Sprintf("%d of %d members have it. %s%s", holding, all, strings.Join(lacking, ", "),
			fmt.Sprintf(plural(len(lacking),
				" lacks it%s, though it answers requests: replica updates from the members that have it do not reach it",
				" lack it%s, though they answer requests: replica updates from the members that have it do not reach them"),
				w.since()))
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

// signed is the stage if no member was asked: with storage RPC 2.8 the members sign for the sender that they have the
// message.
func (w *wayfinder) signed() Stage {
	stage := Stage{Name: StageReplicated, State: Unknown, Text: w.notAsked}
	stores := w.within(SpanStore)
	if len(stores) == 0 || stores[len(stores)-1].Attr("rpc") != "2.8" || w.send == nil || w.send.State != StateOK {
		return stage
	}
	holders := len(w.holders())
	for _, ask := range w.within(SpanAsk) {
		if ask.Parent != stores[len(stores)-1].ID {
			continue
		}
		if all := ask.Attr("members_known"); all == fmt.Sprint(holders) {
			stage.State, stage.At, stage.Text = Done, ask.End, fmt.Sprintf("all %s members have signed to have it", all)
		} else {
			stage.Text = fmt.Sprintf("%d of %s members have signed to have it; %s", holders, all, w.notAsked)
		}
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
