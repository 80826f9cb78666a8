package account

import (
	"bytes"
	"maps"
	"testing"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/message"
	"sessiontool/lib/presence"
)

// getsSync receives messages over the synchronous route.
func (p *person) getsSync(batch ...string) []Opened {
	p.w.t.Helper()
	incoming := make([]Incoming, len(batch))
	for i, data := range batch {
		incoming[i] = Incoming{Data: data, Route: message.RouteSync}
	}
	opened, err := p.Receive(p.w.t.Context(), incoming, nil)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return opened
}

// A recipient that has opened a message can acknowledge it. It does so for every copy, over either route, in any
// process.
func TestAcknowledgement(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	one, two := alice.seals(Draft{To: bob.ID(), Text: "one"}), alice.seals(Draft{To: bob.ID(), Text: "two"})
	first := bob.getsSync(one.Data)[0]
	wantText(t, first.Event, "one")
	if first.Event.Route != message.RouteSync || !one.Acknowledged(first.Ack) || two.Acknowledged(first.Ack) {
		t.Errorf("the acknowledgement of the first message is %x in %+v", first.Ack, first)
	}
	if one.Acknowledged(nil) || one.Acknowledged(first.Ack[1:]) || one.Acknowledged(make([]byte, len(first.Ack))) {
		t.Error("anything acknowledges a message")
	}
	bob.ends(presence.Crashed)
	bob = bob.anew("second")
	for name, again := range map[string]Opened{"listening": bob.getsSync(one.Data)[0],
		"polling": bob.gets(one.Data)[0]} {
		if !again.Duplicate || !bytes.Equal(again.Ack, first.Ack) {
			t.Errorf("%s it comes again as %+v", name, again)
		}
	}
	status := bob.sendsStatus(alice) // it has nothing to show, and is acknowledged too
	for range 2 {
		if opened := alice.getsSync(status.Data)[0]; opened.Event.Shown() || !status.Acknowledged(opened.Ack) {
			t.Errorf("a status is received as %+v", opened)
		}
	}
	// The keystore has the acknowledgement, not the key: what was received stays as secret as it is.
	if stored := alice.seals(Draft{To: bob.ID(), Text: "three"}); len(stored.Ack) != 32 {
		t.Errorf("the outbox has %+v", stored)
	}
}

// The synchronous route needs no proof of work, so only messages of sessions count there. Anything else leaves no trace
// and can still be received over the other route.
func TestSynchronousRouteIsForSessions(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	carol := w.person("carol")
	request, good := carol.asks(bob, "hi"), alice.says(bob, "hello")
	bob.gets(good)
	repacked := w.repack(good, w.now)
	toOthers := bob.says(alice, "not for me")
	before := bob.content()
	for name, data := range map[string]string{
		"friend request": request, "no envelope": "bm90aGluZw==", "no base64": "%", "nothing": "",
		"a copy in another envelope": repacked, "for somebody else": toOthers,
	} {
		opened := bob.getsSync(data)[0]
		if !opened.Refused || opened.Ack != nil || opened.Event.Seq != 0 {
			t.Errorf("%s: %+v", name, opened)
		}
	}
	if after := bob.content(); !maps.Equal(before, after) {
		t.Errorf("the account has changed from %v to %v", before, after)
	}
	if event := bob.get(request); event.Kind != inbox.EventFriendRequest {
		t.Errorf("the request arrives as %+v", event)
	}
	wantFailure(t, bob.get("bm90aGluZw=="), inbox.CodeBadEnvelope)
}

// sendsStatus makes a status message.
func (p *person) sendsStatus(to *person) Outgoing {
	p.w.t.Helper()
	announced, err := p.Announce(p.w.t.Context(), to.ID())
	if err != nil || len(announced) != 1 {
		p.w.t.Fatalf("announced %+v, %v", announced, err)
	}
	return announced[0]
}
