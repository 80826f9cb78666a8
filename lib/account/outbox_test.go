package account

import (
	"errors"
	"fmt"
	"reflect"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/lifetime"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/account/outbox"
	"sessiontool/lib/message"
	"sessiontool/lib/presence"
	"sessiontool/lib/storage"
)

// seals puts a text into the outbox and leaves it there.
func (p *person) seals(draft Draft) Outgoing {
	p.w.t.Helper()
	out, err := p.Send(p.w.t.Context(), draft)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return out
}

func (p *person) claimsOutbox() (claimed []Outgoing) {
	p.w.t.Helper()
	claimed, err := p.ClaimOutbox(p.w.t.Context())
	if err != nil {
		p.w.t.Fatal(err)
	}
	return claimed
}

func (p *person) wantOutboxEmpty(want bool) {
	p.w.t.Helper()
	if empty, err := p.OutboxEmpty(p.w.t.Context()); err != nil || empty != want {
		p.w.t.Errorf("the outbox is empty: %v (%v), want %v", empty, err, want)
	}
}

// A rerun of a command that was killed, or failed, goes on with the same bytes. Another draft is another message.
func TestSendResumes(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	draft := Draft{To: bob.ID(), Text: "hi", Ref: "1"}
	first := alice.seals(draft)
	first.StampMS, first.Nonce, first.Difficulty = 5, "nonce", 7
	if err := alice.SaveSolution(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	alice.ends(presence.Crashed)

	second := alice.anew("second")
	again := second.seals(draft)
	if !again.Resumed || again.Data != first.Data || again.Seq != first.Seq || again.Nonce != "nonce" ||
		again.StampMS != 5 || again.Difficulty != 7 {
		t.Errorf("the rerun sends %+v, the killed run %+v", again, first)
	}
	for name, other := range map[string]Draft{
		"text": {To: bob.ID(), Text: "ho", Ref: "1"},
		"ref":  {To: bob.ID(), Text: "hi", Ref: "2"},
		"ttl":  {To: bob.ID(), Text: "hi", Ref: "1", TTLMillis: MinTTL},
		"time": {To: bob.ID(), Text: "hi", Ref: "1", TimestampMS: 1},
	} {
		if out := second.seals(other); out.Resumed {
			t.Errorf("a draft with another %s resumes %+v", name, out)
		}
	}
	if err := second.Release(t.Context(), again.Seq); err != nil {
		t.Fatal(err)
	}
	if out := second.seals(draft); out.Resumed || out.Data == first.Data {
		t.Errorf("the same draft a second time in one process, after it has failed, is %+v", out)
	}
	if out := second.anew("third").seals(draft); !out.Resumed || out.Data != first.Data {
		t.Errorf("after a failure the next process sends %+v", out)
	}
	wantText(t, bob.get(first.Data), "hi")
}

// Two living processes that send the same mean it twice.
func TestSameDraftTwice(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	draft := Draft{To: bob.ID(), Text: "hi"}
	first, second := alice.seals(draft), alice.anew("second").seals(draft)
	if second.Resumed || second.Data == first.Data {
		t.Errorf("the second is %+v", second)
	}
	for _, opened := range bob.gets(first.Data, second.Data) {
		wantText(t, opened.Event, "hi")
	}
}

// A friend request and its acceptance resume in the same way.
func TestRequestAndAcceptResume(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	draft := Draft{To: bob.ID(), Text: "hi"}
	first, err := alice.RequestFriend(t.Context(), draft, false)
	if err != nil {
		t.Fatal(err)
	}
	alice.ends(presence.Crashed)
	alice = alice.anew("second")
	again, err := alice.RequestFriend(t.Context(), draft, false)
	if err != nil || !again.Resumed || again.Data != first.Data {
		t.Errorf("the rerun requests %+v (%v), the killed run %+v", again, err, first)
	}

	bob.get(first.Data)
	accepted, err := bob.Accept(t.Context(), alice.ID().String())
	if err != nil {
		t.Fatal(err)
	}
	bob.ends(presence.Crashed)
	bob = bob.anew("second")
	again, err = bob.Accept(t.Context(), alice.ID().String())
	if err != nil || !again.Resumed || again.Data != accepted.Data {
		t.Errorf("the rerun accepts %+v (%v), the killed run %+v", again, err, accepted)
	}
}

// Every command claims the entries of dead processes, and none that a running process works on.
func TestClaimOutbox(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.wantOutboxEmpty(true)
	second := alice.anew("second")
	one, two := alice.seals(Draft{To: bob.ID(), Text: "one"}), alice.seals(Draft{To: bob.ID(), Text: "two"})
	mine := second.seals(Draft{To: bob.ID(), Text: "mine"})
	second.wantOutboxEmpty(false)
	if claimed := second.claimsOutbox(); len(claimed) > 0 {
		t.Errorf("claimed %+v of a living process", claimed)
	}
	alice.ends(presence.Gone)
	claimed := second.claimsOutbox()
	if len(claimed) != 2 || claimed[0].Data != one.Data || claimed[1].Data != two.Data {
		t.Errorf("claimed %+v, want %+v and %+v", claimed, one, two)
	}
	if claimed := alice.anew("third").claimsOutbox(); len(claimed) > 0 {
		t.Errorf("claimed a second time: %+v", claimed)
	}
	for _, out := range append(claimed, mine) {
		if err := second.SaveReceipt(t.Context(), out.Seq, Receipt{OK: true}); err != nil {
			t.Fatal(err)
		}
	}
	second.wantOutboxEmpty(true)
}

// The next process that sends claims the messages that an account makes by itself, also the process that received the
// reason for them.
func TestAnswersAreAnybodysToSend(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	bob.get(alice.asks(bob, "hi"))
	alice.get(bob.accepts(alice))
	if claimed := alice.claimsOutbox(); len(claimed) != 1 || claimed[0].Kind != KindControl ||
		claimed[0].To != bob.ID() {
		t.Errorf("alice claims %+v", claimed)
	}
}

// A message waits until it is sent, however far the clock moves meanwhile, and a rerun of its command finds it.
func TestOutboxWaits(t *testing.T) {
	for _, step := range []time.Duration{month, -month, 5 * lifetime.Day} {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			w := newWorld(t)
			alice, bob := w.friends()
			draft := Draft{To: bob.ID(), Text: "the disk is full", TTLMillis: MinTTL}
			out := alice.seals(draft)
			alice.ends(presence.Crashed)
			w.pass(step)
			second := alice.anew("second")
			if claimed := second.claimsOutbox(); len(claimed) != 1 || claimed[0].Data != out.Data {
				t.Errorf("claimed %+v", claimed)
			}
			second.ends(presence.Crashed)
			if again := second.anew("third").seals(draft); !again.Resumed || again.Data != out.Data {
				t.Errorf("the rerun has %+v", again)
			}
		})
	}
}

// What has waited gets the time at which it is sent, and the recipient takes copies with other times for one message.
// A time that the draft has chosen stays.
func TestRestamp(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	out := alice.seals(Draft{To: bob.ID(), Text: "the disk is full"})
	out.StampMS, out.Nonce = out.TimestampMS, "nonce"
	if out.Late(w.now.Add(outbox.FreshFor)) || !out.Late(w.now.Add(outbox.FreshFor+1)) ||
		!out.Late(w.now.Add(-month)) {
		t.Error("a message is late at another time than after a minute")
	}
	first := out.Data
	w.pass(20 * lifetime.Day)
	anew, err := alice.Restamp(t.Context(), out, w.now)
	if err != nil {
		t.Fatal(err)
	}
	if anew.TimestampMS != w.now.UnixMilli() || anew.Nonce != "" || anew.Data == first {
		t.Errorf("the message is %+v", anew)
	}
	opened := bob.gets(anew.Data)[0]
	wantText(t, opened.Event, "the disk is full")
	if opened.Event.TimestampMS != w.now.UnixMilli() || !anew.Acknowledged(opened.Ack) {
		t.Errorf("it is of %d, acknowledged: %v", opened.Event.TimestampMS, anew.Acknowledged(opened.Ack))
	}
	if event := bob.get(first); event.Kind != inbox.EventControl {
		t.Errorf("the copy with the old time: %+v", event)
	}
	stored := alice.anew("second").claimsOutbox()
	if len(stored) != 0 {
		t.Errorf("another process claims %+v", stored)
	}
	dated := alice.seals(Draft{To: bob.ID(), Text: "long ago", TimestampMS: 1})
	anew, err = alice.Restamp(t.Context(), dated, w.now)
	if err != nil || anew.Data != dated.Data || anew.TimestampMS != 1 {
		t.Errorf("the dated message is %+v (%v)", anew, err)
	}
}

// A message that is given up leaves a failure in the inbox, unless no user waits for it.
func TestDrop(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.prints(alice.claims()...)
	out := alice.seals(Draft{To: bob.ID(), Text: "never", Ref: "7"})
	if _, err := alice.Drop(t.Context(), out, errors.New("too big")); err != nil {
		t.Fatal(err)
	}
	status := alice.sendsStatus(bob)
	if event, err := alice.Drop(t.Context(), status, errors.New("too big")); err != nil || event.ID != "" {
		t.Errorf("a dropped status is reported as %+v (%v)", event, err)
	}
	events := alice.claims()
	if len(events) != 1 || events[0].Code != inbox.CodeDropped || events[0].To != bob.ID() ||
		!strings.Contains(events[0].Text, `"7"`) || !strings.Contains(events[0].Text, "too big") {
		t.Errorf("the inbox has %+v", events)
	}
	alice.wantOutboxEmpty(true)
}

// A rerun gets the receipt that a crashed process did not report or whose report may not have been read. It is not a
// message to send. After an hour the same command means a new message.
func TestReceiptSurvivesCrash(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	draft := Draft{To: bob.ID(), Text: "hi"}
	receipt := Receipt{OK: true, MessageHash: "hash"}
	out := alice.seals(draft)
	if err := alice.SaveReceipt(t.Context(), out.Seq, receipt); err != nil {
		t.Fatal(err)
	}
	alice.ends(presence.Crashed)

	second := alice.anew("second")
	second.wantOutboxEmpty(true)
	if claimed := second.claimsOutbox(); len(claimed) > 0 {
		t.Errorf("claimed for sending: %+v", claimed)
	}
	again := second.seals(draft)
	want := receipt
	want.Repeated = true
	if !again.Resumed || !reflect.DeepEqual(again.Receipt, &want) || again.Data != "" {
		t.Errorf("the rerun has %+v", again)
	}
	if err := second.Finish(t.Context(), again.Seq); err != nil {
		t.Fatal(err)
	}
	second.ends(presence.Crashed)

	third := second.anew("third")
	if again := third.seals(draft); !again.Resumed || !reflect.DeepEqual(again.Receipt, &want) {
		t.Errorf("the rerun of a run that was killed after its report has %+v", again)
	}
	third.ends(presence.Crashed)
	w.pass(outbox.ReportedFor)
	if out := third.anew("fourth").seals(draft); out.Resumed {
		t.Errorf("an hour later the same command resumes %+v", out)
	}
}

// The hour in which a rerun gets the receipts of a batch counts from the last receipt of the batch, however long that
// ran, and from the last rerun.
func TestReceiptsOfLongBatch(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	drafts := []Draft{{To: bob.ID(), Text: "first"}, {To: bob.ID(), Text: "hours later"}}
	for _, draft := range drafts {
		alice.reports(alice.seals(draft))
		w.pass(5 * time.Hour)
	}
	w.pass(-5*time.Hour + outbox.ReportedFor - time.Minute)
	alice.ends(presence.Crashed)
	for _, name := range []string{"second", "third"} {
		alice = alice.anew(name)
		for _, draft := range drafts {
			out := alice.seals(draft)
			if !out.Resumed {
				t.Errorf("the %s run does not know %q", name, draft.Text)
			}
		}
		alice.ends(presence.Crashed)
		w.pass(outbox.ReportedFor - time.Minute)
	}
	w.pass(time.Minute)
	if out := alice.anew("fourth").seals(drafts[0]); out.Resumed {
		t.Errorf("an hour after the last run it is %+v", out)
	}
}

// A draft with an ID is sent once, whatever became of the process that sent it, for days. The ID counts for its
// recipient alone.
func TestDraftID(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	draft := Draft{To: bob.ID(), Text: "hi", ID: "alert 1", Ref: "r1"}
	first := alice.seals(draft)
	if again := alice.anew("beside").seals(draft); !again.Resumed || again.Data != first.Data {
		t.Errorf("a second process beside it sends %+v", again)
	}
	other := draft
	other.Text = "ho"
	if _, err := alice.Send(t.Context(), other); !errors.Is(err, ErrKeyReused) {
		t.Errorf("another text while the first waits: %v", err)
	}
	if err := alice.SaveReceipt(t.Context(), first.Seq, Receipt{
		OK: true, To: bob.ID(), MessageHash: "hash", Nodes: []NodeResult{{OK: true}}, Ref: "r1",
	}); err != nil {
		t.Fatal(err)
	}
	if err := alice.Finish(t.Context(), first.Seq); err != nil {
		t.Fatal(err)
	}
	alice.ends(presence.Gone)
	for range outbox.RememberedFor / lifetime.Day {
		w.pass(lifetime.Day)
		alice.gets()
	}
	alice = alice.anew("days later")
	draft.Ref, draft.TTLMillis = "r2", MinTTL // they are not what the recipient reads
	again := alice.seals(draft)
	want := &Receipt{OK: true, To: bob.ID(), MessageHash: "hash", Repeated: true, Ref: "r1"}
	if !reflect.DeepEqual(again.Receipt, want) || again.Ref != "r2" || again.Seq != 0 {
		t.Errorf("days later the draft gets %+v and %+v", again, again.Receipt)
	}
	if err := alice.Finish(t.Context(), again.Seq); err != nil {
		t.Error(err)
	}
	for what, other := range map[string]Draft{
		"text": {To: bob.ID(), Text: "ho", ID: draft.ID}, "time": {To: bob.ID(), Text: "hi", ID: draft.ID, TimestampMS: 1},
	} {
		if _, err := alice.Send(t.Context(), other); !errors.Is(err, ErrKeyReused) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	if out := alice.seals(Draft{To: bob.ID(), Text: "hi", ID: "alert 2"}); out.Resumed {
		t.Errorf("another ID resumes %+v", out)
	}
	w.pass(lifetime.Day)
	if out := alice.seals(Draft{To: bob.ID(), Text: "hi", ID: "alert 3"}); out.Resumed {
		t.Fatalf("another ID resumes %+v", out)
	} else if err := alice.SaveReceipt(t.Context(), out.Seq, Receipt{OK: true}); err != nil { // forgets what is old
		t.Fatal(err)
	}
	if out := alice.seals(draft); out.Resumed {
		t.Errorf("it is remembered for too long: %+v", out)
	}
}

// A draft with an ID whose message was given up is a new message.
func TestDraftIDOfDiscarded(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	draft := Draft{To: bob.ID(), Text: "hi", ID: "1"}
	if err := alice.Discard(t.Context(), alice.seals(draft)); err != nil {
		t.Fatal(err)
	}
	if out := alice.seals(draft); out.Resumed {
		t.Errorf("it is %+v", out)
	}
}

// reports saves an entry's receipt and reports it.
func (p *person) reports(out Outgoing) {
	p.w.t.Helper()
	if err := p.SaveReceipt(p.w.t.Context(), out.Seq, Receipt{OK: true}); err != nil {
		p.w.t.Fatal(err)
	}
	if err := p.Finish(p.w.t.Context(), out.Seq); err != nil {
		p.w.t.Fatal(err)
	}
}

func (p *person) wantGone(out Outgoing) {
	p.w.t.Helper()
	if err := p.Release(p.w.t.Context(), out.Seq); !errors.Is(err, ErrGone) {
		p.w.t.Errorf("changing an entry that is over: %v", err)
	}
}

// When a process has ended well after its report, its entries go: the same command means a new message.
func TestFinish(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	draft := Draft{To: bob.ID(), Text: "hi"}
	first := alice.seals(draft)
	alice.reports(first)
	alice.ends(presence.Gone)

	second := alice.anew("second")
	again := second.seals(draft)
	if again.Resumed {
		t.Errorf("the next command resumes %+v", again)
	}
	second.wantGone(first)
	second.reports(again)
	second.ends(presence.Gone)

	third := second.anew("third")
	third.claimsOutbox()
	third.wantGone(again)
}

// A message that the network will never take is discarded.
func TestDiscard(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	out := alice.seals(Draft{To: bob.ID(), Text: "never"})
	if err := alice.Discard(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	alice.wantGone(out)
	alice.wantOutboxEmpty(true)
}

// A sealed message that its caller takes away stands in no outbox.
func TestSealLeavesNothing(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	out, err := alice.Seal(t.Context(), Draft{To: bob.ID(), Text: "by hand", TimestampMS: 12345})
	if err != nil || out.TimestampMS != 12345 || out.TTLMillis != storage.MaxTTLMillis20 {
		t.Fatalf("sealed %+v, %v", out, err)
	}
	alice.wantOutboxEmpty(true)
	event := bob.get(out.Data)
	wantText(t, event, "by hand")
	if event.TimestampMS != 12345 {
		t.Errorf("the timestamp is %d", event.TimestampMS)
	}
}

// Drafts that no receiver could read are refused before anything is touched.
func TestBadDrafts(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	before := alice.content()
	tooLong := string(make([]byte, message.MaxTextBytes+1))
	for _, test := range []struct {
		draft Draft
		want  error
	}{
		{Draft{To: bob.ID()}, ErrNoText},
		{Draft{To: bob.ID(), Text: "hi", ID: string(make([]byte, MaxIDBytes+1))}, ErrDraftID},
		{Draft{To: bob.ID(), Text: "hi", ID: "\xff"}, ErrDraftID},
		{Draft{To: bob.ID(), Text: "\xff"}, message.ErrNotUTF8},
		{Draft{To: bob.ID(), Text: tooLong}, message.ErrTooLong},
		{Draft{To: bob.ID(), Text: "hi", TTLMillis: MinTTL - 1}, ErrTTL},
		{Draft{To: bob.ID(), Text: "hi", TTLMillis: storage.MaxTTLMillis20 + 1}, ErrTTL},
	} {
		if _, err := alice.Send(t.Context(), test.draft); !errors.Is(err, test.want) {
			t.Errorf("sending %.20q: %v, want %v", test.draft.Text, err, test.want)
		}
		if _, err := alice.Seal(t.Context(), test.draft); !errors.Is(err, test.want) {
			t.Errorf("sealing %.20q: %v, want %v", test.draft.Text, err, test.want)
		}
		if test.draft.Text == "" {
			continue // a request needs none
		}
		if _, err := alice.RequestFriend(t.Context(), test.draft, true); !errors.Is(err, test.want) {
			t.Errorf("requesting with %.20q: %v, want %v", test.draft.Text, err, test.want)
		}
	}
	if after := alice.content(); !reflect.DeepEqual(before, after) {
		t.Errorf("the account has changed from %v to %v", before, after)
	}
	longest := string(make([]byte, message.MaxTextBytes))
	wantText(t, bob.get(alice.says(bob, longest)), longest)
}
