//go:build unix

package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/presence"
)

func (w *world) background() context.Context { return context.Background() }

// lies reports whether hostile members are about.
func (w *world) lies() bool { return w.profile.hostile > 0 }

// outcome is the result of one schedule.
type outcome struct {
	violations []violation
	trace      []string
	stats      map[string]int
	checks     map[string]int
	virtual    time.Duration
}

// play runs a schedule in the bubble of the caller. Nothing of it is left when it returns.
func play(s schedule, dir string) outcome {
	w := newWorld(s, dir)
	ctx := context.Background()
	if err := w.build(ctx); err != nil {
		w.model.fail("harness", "building the world: %v", err)
	} else {
		w.befriend()
		for _, o := range s.Ops {
			w.perform(o)
		}
		w.quiesce()
	}
	for _, m := range w.nodes {
		if err := m.stop(ctx); err != nil {
			w.model.fail("nodes stop", "node %d: %v", m.index, err)
		}
	}
	w.later.Wait()
	w.count("schedules", 1)
	w.count("operations", len(s.Ops))
	return outcome{w.model.violations, w.trace, w.stats, w.model.checks, w.elapsed()}
}

// wait runs a program to its end.
func (p *person) wait(o op, run func(context.Context, *program) error) {
	_, ended := p.launch(o, run)
	<-ended
}

// befriend makes the friends of the schedule, with nothing in their way.
func (w *world) befriend() {
	for i, pair := range w.schedule.Friends {
		a, b := w.people[pair[0]], w.people[pair[1]]
		request := w.model.newText(a.index, b.index, fmt.Sprintf("friend %d", i), true)
		a.wait(op{Kind: kindRequest}, send(op{Protocol: account.ProtocolSignal}, []*text{request}, true))
		pause(time.Second)
		b.wait(op{Kind: kindPoll}, poll)
		b.wait(op{Kind: kindAccept}, accept)
		pause(time.Second)
		a.wait(op{Kind: kindPoll}, poll)
		pause(time.Second)
		b.wait(op{Kind: kindPoll}, poll)
		a.friends[b.index], b.friends[a.index] = true, true
	}
	w.befriended.Store(true)
}

// perform does one operation and waits as long as it says.
func (w *world) perform(o op) {
	w.logf("op %s", o)
	w.count("op "+string(o.Kind), 1)
	switch o.Kind {
	case kindSend, kindAgain, kindPoll, kindListen, kindRequest, kindAccept, kindRotate, kindSeal, kindOpen, kindKeys,
		kindFlush, kindContact, kindCreate:
		w.runProgram(o)
	case kindBackup, kindRestore, kindTwin:
		w.copies(o)
	default:
		w.disturb(o)
	}
	pause(o.After)
}

// runProgram starts the program of an operation.
func (w *world) runProgram(o op) {
	p := w.people[o.Who]
	w.mu.Lock()
	off := p.offUntil.After(time.Now())
	w.mu.Unlock()
	if off {
		return
	}
	var run func(context.Context, *program) error
	switch o.Kind {
	case kindSend:
		run = w.sendOf(o)
	case kindAgain:
		p.mu.Lock()
		last := p.last
		p.last = nil
		p.mu.Unlock()
		if last == nil || p.now().Sub(last.at).Abs() > resumable {
			return
		}
		again := last.op
		again.Kill = o.Kill
		run = send(again, last.texts, again.Kind == kindRequest)
	case kindPoll:
		run = poll
	case kindListen:
		run = listen(o)
	case kindRequest:
		t := w.model.newText(o.Who, o.To, fmt.Sprintf("request %d", o.ID), true)
		run = send(o, []*text{t}, true)
	case kindAccept:
		run = accept
	case kindRotate:
		run = rotate
	case kindSeal:
		w.pipeSeal(p, o)
		return
	case kindOpen:
		w.pipeOpen(p, o)
		return
	case kindKeys:
		run = publish
	case kindFlush:
		run = flush
	case kindContact:
		run = changeContact(w.people[o.To].keys.ID(), o.N)
	case kindCreate:
		w.create(p, o)
		return
	}
	_, ended := p.launch(o, run)
	if !o.Beside {
		<-ended
	}
}

// resumable is how long a rerun of a command goes on with its messages: account/outbox says an hour. A later one sends
// them again, which is another text.
const resumable = 50 * time.Minute

// sendOf returns the program that sends the texts of an operation.
func (w *world) sendOf(o op) func(context.Context, *program) error {
	return send(o, w.textsOf(o), false)
}

// textsOf makes the texts of an operation.
func (w *world) textsOf(o op) (texts []*text) {
	for i := range o.N {
		t := w.model.newText(o.Who, o.To, fmt.Sprintf("text %d.%d", o.ID, i), false)
		texts = append(texts, t)
	}
	return texts
}

// disturb changes the world for a while.
func (w *world) disturb(o op) {
	ctx := w.background()
	switch o.Kind {
	case kindOff:
		p := w.people[o.Who]
		w.mu.Lock()
		p.offUntil = time.Now().Add(o.For)
		w.mu.Unlock()
		p.losePower(uint64(o.ID))
	case kindStop:
		m := w.nodes[o.Who]
		if err := m.stop(ctx); err != nil {
			w.model.fail("nodes stop", "node %d: %v", m.index, err)
		}
		w.after(o.For, func() { m.revive(ctx) })
	case kindCrash:
		m := w.nodes[o.Who]
		m.mu.Lock()
		m.kill, m.away, m.unheard = o.Kill, o.For, o.N == 0
		m.mu.Unlock()
	case kindCut:
		link := linkOf(o.To, nodeBase+o.Who)
		w.wire.change(func() { w.wire.cut[link]++ })
		w.after(o.For, func() { w.wire.change(func() { w.wire.cut[link]-- }) })
	case kindLoss:
		w.wire.change(func() { w.wire.loss += o.N })
		w.after(o.For, func() { w.wire.change(func() { w.wire.loss -= o.N }) })
	case kindSlow:
		slower := time.Duration(o.N) * time.Millisecond
		w.wire.change(func() { w.wire.slow += slower })
		w.after(o.For, func() { w.wire.change(func() { w.wire.slow -= slower }) })
	case kindClock:
		w.people[o.Who].skew.Add(int64(o.For))
	case kindSkip:
		w.skipped.Add(int64(o.For))
		for _, m := range w.nodes {
			m.learnProof()
		}
	case kindDisk:
		p := w.people[o.Who]
		p.disk.set(o.Fault)
		w.after(o.For, func() { p.disk.set("") })
	case kindMove, kindJoin, kindLeave, kindReplace, kindSplit, kindMerge:
		w.rearrange(o)
	case kindHang:
		m := w.nodes[o.Who]
		m.hangs.Store(int64(o.N) * int64(time.Second))
		w.after(o.For, func() { m.hangs.Store(0) })
	case kindDouble:
		w.wire.change(func() { w.wire.double += o.N })
		w.after(o.For, func() { w.wire.change(func() { w.wire.double -= o.N }) })
	case kindAddress:
		w.address(w.nodes[o.Who], o.ID)
	case kindTime:
		w.misdate(w.nodes[o.Who], o)
	case kindStore:
		m := w.nodes[o.Who]
		m.disk.set(o.Fault)
		w.after(o.For, func() { m.disk.set("") })
	case kindProof:
		w.proof, w.provedAt = o.N, w.now()
		for _, m := range w.nodes {
			m.learnProof()
		}
	case kindErase:
		for _, m := range w.nodes {
			m.erase(ctx)
		}
	}
}

// quiesce ends all faults, lets everyone poll until nothing comes any more, and checks the invariants of that state.
func (w *world) quiesce() {
	close(w.over)
	w.later.Wait()
	w.logf("quiet")
	ctx := w.background()
	for _, p := range w.people {
		p.skew.Store(0)
	}
	for _, m := range w.nodes {
		m.skew.Store(0)
	}
	ended := make(chan struct{})
	go func() {
		w.programs.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(2*timeout + time.Minute):
		w.model.fail("programs end", "programs still run %v after the last operation", 2*timeout+time.Minute)
		for _, p := range w.people {
			p.losePower(0)
		}
		<-ended
	}
	for _, m := range w.nodes {
		m.mu.Lock()
		m.kill = kill{}
		m.mu.Unlock()
		m.disk.set("")
		m.revive(ctx)
		m.learnProof()
	}
	pause(90 * time.Second) // the nodes compare what they have
	w.pollAll(3)
	w.recover()
	w.ping()
	w.model.checkEnd()
	for _, p := range w.people {
		w.checkPerson(ctx, p)
	}
}

// pollAll lets everyone poll until a round prints nothing, at most a number of rounds.
func (w *world) pollAll(rounds int) {
	for range rounds {
		before := w.stats["lines"]
		for _, p := range w.people {
			p.wait(op{Kind: kindPoll}, poll)
			if p.twin != "" {
				p.wait(op{Kind: kindPoll, Twin: true}, poll)
			}
		}
		pause(3 * time.Second)
		if w.stats["lines"] == before {
			return
		}
	}
}

// ping sends a last text both ways between friends: no session may be stuck.
func (w *world) ping() {
	var pings []*text
	for i, pair := range w.schedule.Friends {
		for j, ends := range [][2]int{{pair[0], pair[1]}, {pair[1], pair[0]}} {
			t := w.model.newText(ends[0], ends[1], fmt.Sprintf("ping %d.%d", i, j), false)
			w.people[ends[0]].wait(op{Kind: kindSend}, send(op{OnlyAsync: true, Protocol: account.ProtocolSignal},
				[]*text{t}, false))
			pings = append(pings, t)
		}
	}
	pause(3 * time.Second)
	w.pollAll(1)
	if w.lies() && slices.ContainsFunc(pings, func(t *text) bool { return len(t.prints) == 0 }) {
		w.pollAll(2) // nodes that relay nothing have failed the send; a poll sends what waits
	}
	for _, t := range pings {
		w.model.check(len(t.prints) > 0, "no session is stuck", "%s from %d to %d does not arrive: %d receipts, %v", t.text,
			t.from, t.to, t.receipts, t.errors)
	}
}

// checkPerson checks a person's keystore at the end.
func (w *world) checkPerson(ctx context.Context, p *person) {
	store, err := keystore.Open(ctx, p.dir, keystore.Unlock{}, keystore.Options{})
	if err == nil {
		_, err = store.Check(ctx)
	}
	w.model.check(err == nil, "keystores are whole", "%s: %v", p.name, err)
	if err != nil {
		return
	}
	env := account.Environment{
		Now: p.now, Random: &random{source: w.chacha("check")}, Owner: "checker",
		StateOf: func(string) presence.State { return presence.Gone },
	}
	a, err := account.Open(ctx, store, env, p.name)
	if err != nil {
		w.model.fail("keystores are whole", "%s: %v", p.name, err)
		return
	}
	empty, err := a.OutboxEmpty(ctx)
	w.model.check(err == nil && empty, "the outbox is drained", "%s: %v", p.name, err)
	size, err := store.Size()
	w.model.check(err == nil && size <= 4<<20, "bounded keystores", "%s has %d bytes, %v", p.name, size, err)
	for _, m := range w.nodes {
		size, err := folderSize(m.dir)
		w.model.check(err == nil && size <= 16<<20, "bounded node stores", "node %d has %d bytes, %v", m.index, size, err)
	}
}
