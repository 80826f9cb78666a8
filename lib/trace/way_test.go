package trace

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	hashOfTest = "00aa"
	nodeA      = "aaaaaaaa11111111"
	nodeB      = "bbbbbbbb11111111"
	nodeC      = "cccccccc11111111"
	nodeD      = "dddddddd11111111"
)

// sentTrace records how a message is sent to two members. failure, if any, is the end of it.
func sentTrace(t *testing.T, failure error) Trace {
	t.Helper()
	c, r := newTest(1)
	ctx, message := Begin(With(t.Context(), r), SpanMessage)
	sealing, seal := Start(ctx, SpanSeal, String("protocol", "signal"))
	_, commit := Start(sealing, SpanCommit)
	c.pass(time.Millisecond)
	commit.End(nil)
	seal.End(nil)
	sending, send := Start(ctx, SpanSend, String("route", "async"))
	storing, store := Start(sending, SpanStore, String("rpc", "2.0"))
	_, prove := Start(storing, SpanProve, Int("hashes", 1024), Int("difficulty", 1), Int("expected_hashes", 4190))
	c.pass(time.Millisecond)
	prove.End(nil)
	for _, node := range []string{nodeA, nodeB} {
		asked, member := Start(storing, SpanMember, String(KeyNode, node), String(KeyMethod, "store"))
		carried, request := Start(asked, SpanRequest, String(KeyMethod, "store"), String("target", node))
		_, attempt := Start(carried, SpanAttempt, Int("attempt", 1), String("guard", nodeC), String("relay_1", nodeD),
			String("relay_2", nodeB), String("target", node))
		c.pass(10 * time.Millisecond)
		attempt.End(failure)
		request.End(failure)
		member.End(failure)
		if failure == nil {
			send.Event(EventStored, String(KeyNode, node))
		}
	}
	store.Set(String(KeyHash, hashOfTest))
	store.End(failure)
	send.Set(String(KeyHash, hashOfTest))
	send.End(failure)
	message.End(failure)
	return take(t, r)
}

// receivedTrace records a poll that gets the message. why is the reason if it cannot be opened.
func receivedTrace(t *testing.T, why string) Trace {
	t.Helper()
	c, r := newTest(1)
	ctx, poll := Begin(With(t.Context(), r), SpanPoll)
	_, retrieve := Start(ctx, SpanRetrieve)
	retrieve.Event(EventGives, String(KeyHash, hashOfTest), String(KeyNode, nodeA))
	retrieve.Event(EventGives, String(KeyHash, "other"), String(KeyNode, nodeB))
	c.pass(time.Millisecond)
	retrieve.End(nil)
	_, open := Start(ctx, SpanOpen)
	open.Event(EventMessage, String(KeyHash, hashOfTest), String("id", "01"), String("kind", "message"),
		String("failure", why), Bool("duplicate", false))
	open.End(nil)
	poll.End(nil)
	return take(t, r)
}

// askedMembers are members that were asked some seconds later. Names in holding have the message.
func askedMembers(holding ...string) (members []Member) {
	for _, node := range []string{nodeA, nodeB, nodeC} {
		members = append(members, Member{
			Node: node, Holds: slices.Contains(holding, node), Reachable: true,
			AskedAt: time.Date(2026, 11, 30, 12, 0, 9, 0, time.UTC),
		})
	}
	return members
}

// states returns the states of the stages, in their order.
func states(way Way) string {
	var words []string
	for _, stage := range way.Stages {
		words = append(words, stage.State)
	}
	return strings.Join(words, " ")
}

func TestWay(t *testing.T) {
	silent := askedMembers(nodeA, nodeB)
	silent[2].Reachable, silent[2].Error = false, "no answer"
	early := askedMembers(nodeA, nodeB)
	for i := range early {
		early[i].AskedAt = time.Date(2026, 11, 30, 12, 0, 0, 900, time.UTC)
	}
	sent, received := sentTrace(t, nil), receivedTrace(t, "")
	for name, test := range map[string]struct {
		traces  []Trace
		members []Member
		states  string
		stopped string
		why     string
		arrived bool
	}{
		"arrived": {[]Trace{sent, received}, askedMembers(nodeA, nodeB, nodeC),
			"done done done done done done done done", "", "it has arrived", true},
		"the sender's journal alone": {[]Trace{sent}, nil,
			"done done done done done unknown unknown unknown", "", "stored; what came after that is not known", false},
		"peers' requests are lost": {[]Trace{sent}, askedMembers(nodeA, nodeB),
			"done done done done done failed waiting waiting", StageReplicated,
			"2 of 3 members have it. cccccccc lacks it 8.978s after it was stored, though it answers requests: replica " +
				"updates from the members that have it do not reach it", false},
		"the same without the sender's journal": {nil, askedMembers(nodeA),
			"done done done done done failed waiting waiting", StageReplicated, "1 of 3 members have it. bbbbbbbb, cccccccc " +
				"lack it, though they answer requests: replica updates from the members that have it do not reach them", false},
		"a member is down": {[]Trace{sent}, silent,
			"done done done done done failed waiting waiting", StageReplicated, "cccccccc (no answer) cannot be asked", false},
		"replica updates are under way": {[]Trace{sent}, early,
			"done done done done done waiting waiting waiting", StageReplicated, "2 of 3 members have it", false},
		"not fetched yet": {[]Trace{sent}, askedMembers(nodeA, nodeB, nodeC),
			"done done done done done done waiting waiting", StageFetched, "no poll", false},
		"arrived, but not everywhere": {[]Trace{received}, askedMembers(nodeA),
			"done done done done done failed done done", StageReplicated, "it has arrived, but not at every member", true},
		"it does not open": {[]Trace{sent, receivedTrace(t, "no_session")}, askedMembers(nodeA, nodeB, nodeC),
			"done done done done done done done failed", StageOpened, "cannot open it: no_session", false},
		"no member took it": {[]Trace{sentTrace(t, errors.New("status 503"))}, nil,
			"done done done done failed unknown unknown unknown", StageStored, "too few members took it. aaaaaaaa, bbbbbbbb: status 503", false},
		"nothing is known": {nil, nil,
			"unknown unknown unknown unknown unknown unknown unknown unknown", "", "nothing here knows of it", false},
		"no member has it": {nil, askedMembers(),
			"unknown unknown unknown unknown unknown failed waiting waiting", StageReplicated, "none of 3 members", false},
	} {
		t.Run(name, func(t *testing.T) {
			way := WayOf(hashOfTest, test.traces, test.members, "not asked")
			if got := states(way); got != test.states {
				t.Errorf("states %s", got)
			}
			if way.StoppedAt != test.stopped || !strings.Contains(way.Why, test.why) || way.Arrived != test.arrived {
				t.Errorf("stopped at %q, arrived %v: %s", way.StoppedAt, way.Arrived, way.Why)
			}
		})
	}
}

// A trace of a message needs no hash to find its way.
func TestWayOfOneTrace(t *testing.T) {
	way := WayOf("", []Trace{sentTrace(t, nil)}, nil, "not asked")
	if way.Hash != hashOfTest || way.Stages[4].Text != "2 members have it: aaaaaaaa, bbbbbbbb" ||
		!strings.Contains(way.Stages[2].Text, "1024 hashes in 1ms at difficulty 1, about 4190 expected") ||
		!strings.Contains(way.Stages[3].Text, "cccccccc > dddddddd > bbbbbbbb > aaaaaaaa") {
		t.Errorf("the way is %+v", way)
	}
}

// With storage RPC 2.8 the members sign for the sender.
func TestWayOfSigned(t *testing.T) {
	for known, want := range map[int]string{
		1: "done done skipped done done done unknown unknown", 3: "done done skipped done done unknown unknown unknown",
	} {
		_, r := newTest(1)
		ctx, message := Begin(With(t.Context(), r), SpanMessage)
		_, seal := Start(ctx, SpanSeal)
		seal.End(nil)
		ctx, send := Start(ctx, SpanSend, String("route", "async"), String(KeyHash, hashOfTest))
		ctx, store := Start(ctx, SpanStore, String("rpc", "2.8"))
		ctx, ask := Start(ctx, SpanAsk, Int("members_known", known))
		ctx, request := Start(ctx, SpanRequest, String(KeyMethod, "store"))
		_, attempt := Start(ctx, SpanAttempt, String("guard", nodeB), String("target", nodeA))
		for _, span := range []*Recording{attempt, request, ask, store} {
			span.End(nil)
		}
		send.Event(EventStored, String(KeyNode, nodeA))
		send.End(nil)
		message.End(nil)
		way := WayOf("", []Trace{take(t, r)}, nil, "not asked")
		if got := states(way); got != want || !strings.Contains(way.Stages[5].Text, "signed to have it") {
			t.Errorf("of %d members: %s, %s", known, got, way.Stages[5].Text)
		}
	}
}

// The synchronous route stores nothing; the acknowledgement proves that the message was opened.
func TestWayOfSync(t *testing.T) {
	_, r := newTest(1)
	ctx, message := Begin(With(t.Context(), r), SpanMessage)
	ctx, send := Start(ctx, SpanSend, String("route", "sync"))
	ctx, request := Start(ctx, SpanRequest, String(KeyMethod, "deliver"))
	_, attempt := Start(ctx, SpanAttempt, String("guard", nodeB), String("target", nodeA))
	attempt.End(nil)
	request.End(nil)
	send.End(nil)
	message.End(nil)
	way := WayOf("", []Trace{take(t, r)}, nil, "not asked")
	if got := states(way); got != "done done skipped done skipped skipped skipped done" || !way.Arrived {
		t.Errorf("states %s, %s", got, way.Why)
	}
}

// A detour names the node at fault, what was tried next and what it cost.
func TestDetours(t *testing.T) {
	c, r := newTest(1)
	ctx, message := Begin(With(t.Context(), r), SpanMessage)
	ctx, request := Start(ctx, SpanRequest, String(KeyMethod, "store"), String("target", nodeA))
	_, first := Start(ctx, SpanAttempt, Int("attempt", 1), String("guard", nodeB), String("relay_1", nodeC),
		String("relay_2", nodeD), String("target", nodeA))
	c.pass(200 * time.Millisecond)
	examining, diagnosis := Start(ctx, SpanDiagnosis)
	_, probe := Start(examining, SpanProbe)
	_, second := Start(ctx, SpanAttempt, Int("attempt", 2), String("guard", nodeD), String("relay_1", nodeB),
		String("relay_2", nodeB), String("target", nodeA))
	c.pass(30 * time.Millisecond)
	second.End(nil)
	first.End(errors.New("no answer"))
	request.End(nil)
	probe.End(errors.New("silent"))
	diagnosis.Set(String("culprit", nodeC), String("place", "relay 1"), Bool("agreed", true))
	diagnosis.End(nil)
	message.End(nil)
	got := Detours(take(t, r))
	want := Detour{
		Method: "store", Target: nodeA, Attempts: 2, Probes: 1, Culprit: nodeC, Place: "relay 1", Agreed: true,
		Answered: true, Lost: 200 * time.Millisecond,
		Text: "store to aaaaaaaa; path 1, bbbbbbbb > cccccccc > dddddddd > aaaaaaaa: no answer (230ms); path 2, " +
			"dddddddd > bbbbbbbb > bbbbbbbb > aaaaaaaa: answer after 30ms; relay 1 (cccccccc) is at fault: it hangs or " +
			"fails through two guards; cost: 1 more request, 1 probe, 200ms later",
	}
	if len(got) != 1 || got[0] != want {
		t.Errorf("detours %+v", got)
	}
	if detours := Detours(sentTrace(t, nil)); len(detours) != 0 {
		t.Errorf("requests over one path have detours %+v", detours)
	}
}

func TestSummary(t *testing.T) {
	failed := receivedTrace(t, "no_session")
	failed.Spans[0].State, failed.Spans[0].Error = StateFailed, "time is up"
	for want, one := range map[string]Trace{
		"": {}, "poll: 1 new message": receivedTrace(t, ""), "message": sentTrace(t, nil),
		"poll: 0 new messages, and 1 that cannot be opened; failed: time is up": failed,
	} {
		if got := one.Summary(); got != want {
			t.Errorf("the summary is %q, want %q", got, want)
		}
	}
}
