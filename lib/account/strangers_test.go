package account

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/efforts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/layers"
	"sessiontool/lib/account/strangers"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sealedsender"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// stranger makes messages without a keystore, so that a test can have thousands.
type stranger struct {
	w    *world
	keys sessionid.Keys
}

func (w *world) stranger() stranger {
	w.t.Helper()
	seed, err := sessionid.GenerateSeed(w.random)
	if err != nil {
		w.t.Fatal(err)
	}
	return stranger{w, sessionid.KeysFromSeed(seed)}
}

// asks makes a friend request, as any client does.
func (s stranger) asks(to *person, text string) string {
	s.w.t.Helper()
	signed, err := x3dh.GenerateSignedPrekey(s.w.random, s.keys.X25519, 1, s.w.now)
	if err != nil {
		s.w.t.Fatal(err)
	}
	once, err := x3dh.GenerateOneTimePrekey(s.w.random, 1)
	if err != nil {
		s.w.t.Fatal(err)
	}
	bundle := x3dh.NewBundle(s.keys.X25519.Public, signed, &once)
	padded := message.Pad(message.FriendRequest(text, "stranger", nil, bundle).Marshal())
	encrypted, err := friendrequest.Encrypt(s.w.random, s.keys.X25519, to.ID().PublicKey(), padded)
	if err != nil {
		s.w.t.Fatal(err)
	}
	return s.seals(to, ciphertext.FriendRequest, encrypted)
}

// seals puts any ciphertext into an envelope with sealed sender: the sender is authenticated.
func (s stranger) seals(to *person, kind ciphertext.Kind, encrypted []byte) string {
	s.w.t.Helper()
	content, err := sealedsender.Seal(s.w.random, s.keys.X25519, to.ID().PublicKey(),
		sealedsender.Inner{Kind: kind, Sender: s.keys.ID(), Content: encrypted})
	if err != nil {
		s.w.t.Fatal(err)
	}
	return s.w.pack(envelope.Envelope{Kind: ciphertext.Sealed, TimestampMS: uint64(s.w.now.UnixMilli()),
		Content: content})
}

// requests makes the friend requests of n strangers.
func (w *world) requests(to *person, n int, text string) (all []string) {
	w.t.Helper()
	for range n {
		w.pass(time.Millisecond)
		all = append(all, w.stranger().asks(to, text))
	}
	return all
}

// boxes makes a message of session-v1.
func (s stranger) boxes(to *person, content message.Content) string {
	s.w.t.Helper()
	s.w.pass(time.Millisecond)
	at := uint64(s.w.now.UnixMilli())
	content.SigTimestampMS = at
	data, err := layers.PackBox(s.w.random, s.keys, to.ID().PublicKey(), at, content.Marshal())
	if err != nil {
		s.w.t.Fatal(err)
	}
	return data
}

// garbage makes n different messages that do not open, of every kind that a stranger can make.
func (s stranger) garbage(to *person, friend sessionid.ID, n int) (all []string) {
	s.w.t.Helper()
	for i := range n {
		text := fmt.Appendf(nil, "garbage %d", i)
		switch i % 4 {
		case 0:
			all = append(all, s.w.pack(envelope.Envelope{Kind: ciphertext.Sealed, Content: text}))
		case 1:
			all = append(all, s.w.pack(envelope.Envelope{Kind: ciphertext.Whisper, Source: friend, Content: text}))
		case 2:
			all = append(all, s.seals(to, ciphertext.Whisper, text))
		default:
			all = append(all, fmt.Sprintf("BBBB%04d", i))
		}
	}
	return all
}

// report claims the report of what was not kept, and delivers it.
func (p *person) report() strangers.Report {
	p.w.t.Helper()
	event, found, err := p.ClaimReport(p.w.t.Context())
	if err != nil {
		p.w.t.Fatal(err)
	}
	if !found {
		return strangers.Report{}
	}
	if err := p.ReportDelivered(p.w.t.Context(), event); err != nil {
		p.w.t.Fatal(err)
	}
	return *event.Report
}

// events returns what waits to be printed, and marks it as delivered.
func (p *person) events() []inbox.Event {
	p.w.t.Helper()
	waiting, err := p.Waiting(p.w.t.Context())
	var events []inbox.Event
	if err == nil {
		events, err = p.BeginDelivery(p.w.t.Context(), nil, waiting, 0)
	}
	if err == nil {
		err = p.MarkDelivered(p.w.t.Context(), events...)
	}
	if err != nil {
		p.w.t.Fatal(err)
	}
	return events
}

// keystoreSize returns the size of p's keystore file in bytes.
func (p *person) keystoreSize() int64 {
	p.w.t.Helper()
	info, err := os.Stat(filepath.Join(p.w.folders[p.store], "keystore.db"))
	if err != nil {
		p.w.t.Fatal(err)
	}
	return info.Size()
}

// records counts the records of all tables, and their bytes.
func (p *person) records() (count, size int) {
	for name, value := range p.content() {
		count, size = count+1, size+len(name)+len(value)
	}
	return count, size
}

// floodSize is how many messages strangers send in the tests of floods: 10 000 if SESSIONTOOL_TEST_FLOOD is set, for
// figures, and fewer usually, for speed.
func floodSize() int {
	if os.Getenv("SESSIONTOOL_TEST_FLOOD") != "" {
		return 10_000
	}
	return 3 * strangers.MaxWaiting
}

// Thousands of friend requests of strangers leave MaxWaiting of them, the newest, and a count of the others. Contacts,
// own requests and what the user has answered stay.
func TestRequestFlood(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	asked, declined, known := w.person("asked"), w.person("declined"), w.person("known")
	alice.asks(asked, "my request")
	alice.get(declined.asks(alice, "declined"))
	if _, err := alice.Decline(t.Context(), declined.ID().String()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	alice.get(known.asks(alice, "I ask"))
	known.get(alice.asks(known, "so do I")) // the two requests cross: alice has written, too
	first := w.stranger()
	alice.get(first.asks(alice, "first"))
	alice.events()

	size, started := alice.keystoreSize(), time.Now()
	var newest []sessionid.ID
	for range floodSize() / 64 {
		var batch []string
		for range 64 {
			s := w.stranger()
			batch = append(batch, s.asks(alice, "let me in"))
			newest = append(newest, s.keys.ID())
		}
		alice.gets(batch...)
	}
	sent := len(newest)
	took := time.Since(started)
	newest = newest[sent-strangers.MaxWaiting:]
	var printed []sessionid.ID
	for _, event := range alice.events() {
		printed = append(printed, event.From)
	}
	if !slices.Equal(printed, newest) {
		t.Errorf("%d events are printed, and not the newest requests", len(printed))
	}
	if got, want := alice.report(), sent+1-strangers.MaxWaiting; got.Requests != want || got.Messages != 0 ||
		len(got.Unopenable) > 0 {
		t.Errorf("the report is %+v, want %d dropped requests", got, want)
	}
	if got := alice.report(); !got.Empty() {
		t.Errorf("the next report is %+v", got)
	}
	alice.wantState(bob, StateFriends)
	alice.wantState(asked, StateSent)
	alice.wantState(declined, StateNone)
	contacts, err := alice.Contacts(t.Context())
	if err != nil || len(contacts) != strangers.MaxWaiting+4 {
		t.Errorf("%d contacts are left, %v", len(contacts), err)
	}
	w.talk(alice, bob)
	grown := alice.keystoreSize() - size
	t.Logf("%d requests: made and received in %s, the keystore grew by %d KiB", sent, took, grown>>10)
	if grown > 4<<20 {
		t.Errorf("the keystore grew by %d KiB", grown>>10)
	}
	// What was dropped is dropped for good: its copies are not taken for new requests.
	again := w.stranger()
	request := again.asks(alice, "again")
	alice.get(request)
	alice.gets(w.requests(alice, strangers.MaxWaiting, "later")...)
	alice.events()
	if one := alice.gets(request)[0]; !one.Duplicate || len(alice.events()) > 0 {
		t.Errorf("a dropped request comes again as %+v", one)
	}
}

// The cap counts bytes as well.
func TestLargeRequests(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	text := strings.Repeat("x", 60_000)
	const sent = 100
	alice.gets(w.requests(alice, sent, text)...)
	requests, err := alice.FriendRequests(t.Context())
	if err != nil || len(requests) < 50 || len(requests) > strangers.MaxWaitingBytes/len(text) {
		t.Errorf("%d requests wait, %v", len(requests), err)
	}
	if got := alice.report(); got.Requests != sent-len(requests) {
		t.Errorf("the report is %+v", got)
	}
}

// A keystore of a version without the cap has it from the first request on, and what it had kept counts.
func TestRequestsOfAnOlderVersion(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	first := w.stranger()
	alice.get(first.asks(alice, "the oldest"))
	w.pass(time.Second)
	alice.gets(w.requests(alice, strangers.MaxWaiting-1, "old")...)
	oldest, err := alice.FriendRequests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = alice.update(t.Context(), func(tx *keystore.Tx) error { return tx.Delete(strangers.Table, "waiting") })
	if err != nil {
		t.Fatal(err)
	}
	alice.get(w.stranger().asks(alice, "new"))
	requests, err := alice.FriendRequests(t.Context())
	if err != nil || len(requests) != strangers.MaxWaiting || len(oldest) != len(requests) || slices.ContainsFunc(
		requests, func(r FriendRequest) bool { return r.Peer == first.keys.ID() }) {
		t.Errorf("%d requests wait, %v", len(requests), err)
	}
}

// Thousands of messages that do not open, with a stranger as sender, a friend's name, or none, are one event.
func TestUnopenableFlood(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.events()
	mallory := w.stranger()
	data := mallory.garbage(alice, bob.ID(), floodSize())
	count, size := alice.records()
	file, started := alice.keystoreSize(), time.Now()
	for batch := range slices.Chunk(data, 64) {
		alice.gets(batch...)
	}
	took := time.Since(started)
	grownBy, grownBytes := alice.records()
	t.Logf("%d messages: received in %s, the keystore grew by %d KiB", len(data), took, (alice.keystoreSize()-file)>>10)
	if grownBy -= count; grownBy > 2+len(data)/1000 {
		t.Errorf("%d records are new", grownBy)
	}
	if perMessage := float64(grownBytes-size) / float64(len(data)); perMessage > 20 {
		t.Errorf("%.1f bytes are kept of each message", perMessage)
	}
	if events := alice.events(); len(events) > 0 {
		t.Errorf("%d events are printed, first %+v", len(events), events[0])
	}
	report := alice.report()
	quarter := len(data) / 4
	want := []strangers.Count{
		{Code: "bad_envelope", Messages: quarter}, {Code: "decryption_failed", Messages: 3 * quarter},
	}
	if !slices.Equal(report.Unopenable, want) || report.Requests != 0 {
		t.Errorf("the report is %+v, want %+v", report.Unopenable, want)
	}
	if len(report.Examples) != strangers.MaxExamples || report.Examples[0].Hash == "" {
		t.Errorf("the examples are %+v", report.Examples)
	}
	for i, want := range []strangers.Example{
		{Code: "decryption_failed"}, {Code: "decryption_failed", From: bob.ID(), Claimed: true},
		{Code: "decryption_failed", From: mallory.keys.ID()}, {Code: "bad_envelope"},
	} {
		if want.Hash = inbox.ID(data[i])[:8]; report.Examples[i] != want {
			t.Errorf("example %d is %+v, want %+v", i, report.Examples[i], want)
		}
	}
	// Copies, as other members of the swarm have them, are not counted again.
	for batch := range slices.Chunk(data, 64) {
		for _, one := range alice.gets(batch...) {
			if !one.Duplicate {
				t.Fatalf("a copy is %+v", one)
			}
		}
	}
	if report := alice.report(); !report.Empty() {
		t.Errorf("the copies are reported as %+v", report)
	}
	w.talk(alice, bob)
}

// A friend's message that cannot be opened is news, and so is one of a contact that the account has written to.
func TestUnopenableMessageOfAFriend(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.events()
	wantFailure(t, alice.get(bob.puts(alice, message.Reset(w.person("trent").bundle(alice)))), inbox.CodeBadSignature)
	asked := w.stranger()
	if _, err := alice.RequestFriend(t.Context(), Draft{To: asked.keys.ID(), Text: "hi"}, false); err != nil {
		t.Fatal(err)
	}
	alice.get(asked.seals(alice, ciphertext.Whisper, []byte("broken")))
	events := alice.events()
	if len(events) != 2 || events[0].Code != inbox.CodeBadSignature || events[0].From != bob.ID() ||
		events[1].From != asked.keys.ID() {
		t.Errorf("printed are %+v", events)
	}
	if report := alice.report(); !report.Empty() {
		t.Errorf("the report is %+v", report)
	}
}

// Of a stranger nothing is printed and kept but a request, or texts up to a bound until the user answers.
func TestWhatStrangersMaySay(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	mallory := w.stranger()
	self := mallory.keys.ID().String()
	silent := []message.Content{
		{Body: message.Typing{}},
		{Body: message.Typing{Stopped: true}},
		{Body: message.Receipts{TimestampsMS: []uint64{1, 2, 3}}},
		{Body: message.Call{ID: "call"}},
		{Body: message.Extraction{}},
		{Body: message.Unsend{TimestampMS: 1, Author: self}},
		{Body: message.Response{Approved: true, DisplayName: "mallory"}},
		{Body: message.Data{Reaction: &message.Reaction{Emoji: "x", Author: self}}},
		{Body: message.Data{Flags: message.EndSession}},
		{Body: message.Data{Flags: message.ExpirationTimerUpdate}},
	}
	says := func(contents ...message.Content) {
		t.Helper()
		for _, content := range contents {
			one := alice.gets(mallory.boxes(alice, content))[0]
			if one.Event.Kind != inbox.EventControl || one.Event.Seq != 0 {
				t.Errorf("%T shows as %+v", content.Body, one.Event)
			}
		}
	}
	says(silent[0])
	count, _ := alice.records()
	says(silent...)
	if got, _ := alice.records(); got > count {
		t.Errorf("%d records are kept of a stranger who says nothing", got-count)
	}
	if event := alice.get(mallory.boxes(alice, message.TextV1("hi", "mallory", 0))); !event.Asks {
		t.Errorf("the first text is %+v", event)
	}
	says(silent...)
	const texts = strangers.MaxKept + 20
	for i := range texts {
		alice.get(mallory.boxes(alice, message.TextV1(fmt.Sprint(i), "mallory", 0)))
	}
	events := alice.events()
	if len(events) != strangers.MaxKept {
		t.Errorf("%d texts are printed", len(events))
	}
	if report := alice.report(); report.Messages != 1+texts-strangers.MaxKept || report.Requests != 0 {
		t.Errorf("the report is %+v", report)
	}
	// A friend may say all of it.
	if _, err := alice.Accept(t.Context(), mallory.keys.ID().String()); err != nil {
		t.Fatal(err)
	}
	for _, content := range append(silent, message.TextV1("friend", "mallory", 0)) {
		alice.get(mallory.boxes(alice, content))
	}
	if events := alice.events(); len(events) != len(silent) { // the Response is a control event
		t.Errorf("of a friend %d events are printed", len(events))
	}
}

// A stranger that asks again and again is printed a few times.
func TestRepeatedRequests(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	mallory := w.stranger()
	const asks = 20
	for i := range asks {
		w.pass(time.Second)
		alice.get(mallory.asks(alice, fmt.Sprint("please ", i)))
	}
	if events := alice.events(); len(events) != strangers.MaxAsked {
		t.Errorf("%d requests are printed", len(events))
	}
	if report := alice.report(); report.Messages != asks-strangers.MaxAsked {
		t.Errorf("the report is %+v", report)
	}
	requests, err := alice.FriendRequests(t.Context())
	if err != nil || len(requests) != 1 || requests[0].Text != fmt.Sprint("please ", asks-1) {
		t.Errorf("waiting are %+v, %v", requests, err)
	}
	// After an answer that is taken back the count begins anew.
	if _, err := alice.Decline(t.Context(), mallory.keys.ID().String()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	alice.get(mallory.asks(alice, "after all?"))
	if events := alice.events(); len(events) != 0 {
		t.Errorf("%d requests are printed after the first was declined", len(events))
	}
	if err := alice.Unblock(t.Context(), mallory.keys.ID()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	alice.get(mallory.asks(alice, "after all?"))
	if events := alice.events(); len(events) != 1 {
		t.Errorf("%d requests are printed after the first was declined", len(events))
	}
}

// A report is printed by one process, again if that dies, and what comes in between is in the next one.
func TestReportIsDelivered(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	other := alice.anew("alice's other process")
	data := w.stranger().garbage(alice, w.stranger().keys.ID(), 16)
	alice.gets(data[:8]...)
	event, found, err := alice.ClaimReport(t.Context())
	if err != nil || !found {
		t.Fatalf("the report is %+v, %v", event, err)
	}
	if report := other.report(); !report.Empty() {
		t.Errorf("the other process prints %+v", report)
	}
	alice.gets(data[8:]...)
	if err := alice.ReportDelivered(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, count := range other.report().Unopenable {
		total += count.Messages
	}
	if total != 8 {
		t.Errorf("the next report counts %d messages", total)
	}
}

// A message that was refused is tried again by a newer version, and by a command that is asked for it.
func TestRefusalsAreTriedAgain(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	data := bob.says(alice, "hi")
	err := alice.update(t.Context(), func(tx *keystore.Tx) error {
		book := strangers.Open(tx, w.now, w.now, inbox.ReaderVersion-1)
		if err := book.Refuse(inbox.ID(data), 1); err != nil {
			return err
		}
		return book.Save()
	})
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, alice.get(data), "hi")

	garbage := w.stranger().garbage(alice, bob.ID(), 1)[0]
	for i := range 3 {
		opened, err := alice.BeginAsked(Incoming{Data: garbage, Route: message.RouteAsync}).Wait(t.Context())
		if err != nil || opened.Event.Text != sealedsender.ErrDecrypt.Error() || opened.Duplicate != (i > 0) {
			t.Errorf("asked for %d times it is %+v, %v", i+1, opened, err)
		}
	}
	if report := alice.report(); !report.Empty() {
		t.Errorf("the report is %+v", report)
	}
}

// Messages that name a friend and do not open cost a bounded number of operations, for each of them and for all
// together, also if they are as far ahead as a client would follow. They cost nothing that is the friend's.
func TestWorkForForgedMessages(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	for range 10 {
		w.pass(time.Hour)
		alice.get(bob.resets(alice))
		w.chat(alice, bob)
	}
	const forged = 200
	var batch []string
	for range forged {
		key, err := x25519.GenerateKey(w.random)
		if err != nil {
			t.Fatal(err)
		}
		content := append([]byte{ratchet.Version, 0x0a, x25519.EncodedSize}, key.Public.Encoded()...)
		content = append(content, 0x10, 0xcf, 0x0f, 0x18, 0, 0x22, 16) // counter 1999
		content = append(content, make([]byte, 16+ratchet.MACSize)...)
		batch = append(batch, w.pack(envelope.Envelope{Kind: ciphertext.Whisper, Source: bob.ID(), Content: content}))
	}
	opened := alice.gets(append(batch, bob.says(alice, "the friend"))...)
	wantFailure(t, opened[0].Event, inbox.CodeDecryptionFailed)
	wantText(t, opened[forged].Event, "the friend")
	agreements, steps := alice.efforts.TrialsOf(sessionid.ID{}, true).Spent()
	t.Logf("%d forged messages cost %d agreements and %d steps", forged, agreements, steps)
	if agreements == 0 || agreements > 3*forged+efforts.ClaimedTrials/40 || steps > 3*32*forged+efforts.ClaimedTrials {
		t.Errorf("%d agreements, %d steps", agreements, steps)
	}
	if agreements, _ := alice.efforts.TrialsOf(bob.ID(), false).Spent(); agreements > 1 {
		t.Errorf("the friend's message cost %d agreements", agreements)
	}
}
