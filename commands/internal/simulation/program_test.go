//go:build unix

package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sessiontool/commands/internal/cli"
	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/network"
	"sessiontool/lib/presence"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

// timeout is the --timeout of every program.
const timeout = 2 * time.Minute

// program is one run of a command on a person's machine. It works on the person's keystore with the packages that the
// commands use, and is killed as its operation says: then nothing that it still does has an effect.
type program struct {
	world  *world
	person *person
	op     op
	name   string
	dir    string // of the keystore
	stop   context.CancelFunc
	failed atomic.Bool // it ended because of a fault of its disk
	chance *rand.Rand  // of tears

	mu     sync.Mutex
	steps  int
	dead   bool
	killed chan struct{} // closed at its death
	output []printed
}

// step counts a step of the program, and reports whether it dies at this one. The error is errDead afterwards.
func (p *program) step(what string) (dying bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return false, errDead
	}
	p.world.count("steps", 1)
	if p.op.Kill.Of != "" && p.op.Kill.Of != what {
		return false, nil
	}
	p.steps++
	if p.steps == p.op.Kill.At {
		p.world.logf("%s dies at step %d, a %s", p.name, p.steps, what)
		p.world.count("kills at a "+what, 1)
		return true, nil
	}
	return false, nil
}

func (p *program) losesPower() bool         { return p.op.Kill.Power }
func (p *program) count(what string, n int) { p.world.count(what, n) }

func (p *program) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// tear draws a number below n that decides what is left of the last write.
func (p *program) tear(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.chance == nil {
		p.chance = rand.New(rand.NewPCG(p.op.Kill.Tear, 1))
	}
	return p.chance.IntN(n)
}

// die kills the program, and with it the machine if the power fails.
func (p *program) die() {
	if p.op.Kill.Power {
		p.person.losePower(p.op.Kill.Tear)
		return
	}
	p.kill()
}

// kill ends the program at once.
func (p *program) kill() {
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return
	}
	p.dead = true
	close(p.killed)
	p.mu.Unlock()
	p.person.gone(p, true)
	p.stop()
	p.world.count("program kills", 1)
}

// gone records the end of a program: other programs of the person see it.
func (p *person) gone(ended *program, crashed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running[ended.name] == ended {
		delete(p.running, ended.name)
		if crashed {
			p.crashed[ended.name] = true
		}
	}
}

// losePower kills all programs of the machine, and takes from its disk what was not synced.
func (p *person) losePower(seed uint64) {
	p.mu.Lock()
	var all []*program
	for _, running := range p.running {
		all = append(all, running)
	}
	p.mu.Unlock()
	slices.SortFunc(all, func(a, b *program) int { return strings.Compare(a.name, b.name) })
	for _, running := range all {
		running.kill()
	}
	p.world.logf("machine %s loses power", p.name)
	p.world.count("power failures", 1)
	if err := p.disk.losePower(rand.New(rand.NewPCG(seed, 2))); err != nil {
		p.world.model.fail("harness", "losing power: %v", err)
	}
}

// stateOf is the [account.Environment] StateOf of the person's machine.
func (p *person) stateOf(owner string) presence.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.running[owner] != nil:
		return presence.Alive
	case p.crashed[owner]:
		return presence.Crashed
	}
	return presence.Gone
}

// launch starts a program and returns it with a channel that is closed at its end.
func (p *person) launch(o op, run func(context.Context, *program) error) (*program, <-chan struct{}) {
	w := p.world
	w.mu.Lock()
	w.named++
	name := fmt.Sprintf("%s%d-%s", p.name, w.named, o.Kind)
	w.mu.Unlock()
	limit := timeout
	if o.Stop > 0 && !o.Signal {
		limit = o.Stop
	}
	ctx, stop := context.WithTimeout(context.Background(), limit)
	if o.Stop > 0 {
		w.count("stops of programs", 1)
		if o.Signal {
			time.AfterFunc(o.Stop, stop)
		}
	}
	started := &program{world: w, person: p, op: o, name: name, dir: p.dir, stop: stop, killed: make(chan struct{})}
	if o.Twin && p.twin != "" {
		started.dir = p.twin
	}
	p.mu.Lock()
	p.running[name] = started
	p.mu.Unlock()
	w.count("programs", 1)
	ended := make(chan struct{})
	w.programs.Go(func() {
		defer close(ended)
		defer stop()
		err := run(ctx, started)
		dead := started.isDead()
		if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EROFS) {
			started.failed.Store(true)
		}
		p.gone(started, false)
		w.logf("%s ends: %s", name, describe(err, dead))
		if !dead {
			w.model.ends(started, err)
		}
	})
	return started, ended
}

func describe(err error, dead bool) string {
	switch {
	case dead:
		return "killed"
	case err == nil:
		return "ok"
	}
	text := err.Error()
	return cli.Describe(err).Code + ": " + cli.FirstLine(text[:min(len(text), 300)])
}

// using opens account and network for a program and closes the network after work.
func (p *program) using(ctx context.Context, options route.Options,
	work func(*account.Account, *network.Client, *route.Router) error) error {
	source := &random{source: p.world.chacha(p.name)}
	kept := filepath.Join(p.dir, "network.json")
	own := filepath.Join(p.dir, p.name+".json")
	if content, err := os.ReadFile(kept); err == nil {
		if err := os.WriteFile(own, content, 0o600); err != nil {
			return err
		}
	}
	client, err := network.New(network.Config{
		Seeds: []string{"http://seed-1", "http://seed-2", "http://seed-3"}, StateFile: own, Random: source,
		Now: p.person.now, Transport: &seedTransport{p}, Carry: p.carry,
	})
	if err != nil {
		return err
	}
	defer func() {
		client.Close()
		if !p.isDead() {
			_ = os.Rename(own, kept) // there is none if nothing was learned
		}
	}()
	env := account.Environment{
		Now: p.person.now, Stamp: client.Now, Random: source, Owner: p.name, StateOf: p.person.stateOf,
	}
	a, err := account.OpenIn(ctx, p.dir, keystore.Unlock{}, keystore.Options{Disk: p.open}, env, "")
	if err != nil {
		return err
	}
	options.Workers, options.HashRate = 1, 1_000_000 // a virtual clock measures nothing
	return work(a, client, route.New(a, client, options))
}

// print writes a line for the reader. It fails once the program is dead.
func (p *program) print(line printed) error {
	dying, err := p.step("print")
	if err != nil {
		return err
	}
	if p.op.Lines > 0 && len(p.output) == p.op.Lines {
		p.world.count("readers gone", 1)
		if p.op.N%2 == 1 { // it has not read for a while before
			if err := p.sleep(context.Background(), 30*time.Second); err != nil {
				return err
			}
		}
		return syscall.EPIPE
	}
	if dying && p.tear(2) == 0 { // killed before the line was out
		p.die()
		return errDead
	}
	p.world.model.prints(p, line)
	if dying {
		p.die()
		return errDead
	}
	return nil
}

// deliver prints an event.
func (p *program) deliver(event inbox.Event) error {
	if event.Outgoing {
		event.Text = "" // the contact has accepted our request
	}
	return p.print(printed{
		kind: string(event.Kind), id: event.ID, from: event.From, text: event.Text,
	})
}

// send is the command send: see package drafts.
func send(o op, texts []*text, request bool) func(context.Context, *program) error {
	return func(ctx context.Context, p *program) error {
		var left []*text // that a rerun sends
		err := p.using(ctx, route.Options{OnlyAsync: o.OnlyAsync},
			func(a *account.Account, client *network.Client, router *route.Router) error {
				var sending sync.WaitGroup
				var mu sync.Mutex
				fails := func(t *text, err error) {
					mu.Lock()
					defer mu.Unlock()
					left = append(left, t)
					p.world.model.failed(p, t, err)
				}
				for _, t := range texts {
					draft := account.Draft{To: p.world.people[t.to].keys.ID(), Text: t.text, Protocol: o.Protocol}
					out, err := seal(ctx, p, a, client, draft, t, request)
					if err != nil {
						fails(t, err)
						continue
					}
					place := router.Queue(out.To)
					sending.Go(func() {
						out, receipt, err := place.Send(ctx, out, draft)
						if err == nil {
							if err = p.receipt(t, out.Data, receipt); err == nil {
								err = a.Finish(context.WithoutCancel(ctx), out.Seq)
							}
						}
						if err != nil {
							fails(t, err)
						}
					})
				}
				sending.Wait()
				if len(left) > 0 {
					return nil
				}
				_, err := router.Flush(ctx)
				return err
			})
		if p.isDead() {
			left = texts // the user knows nothing of the run; those with a receipt are not sent again
		}
		if err == nil && len(left) > 0 {
			err = cli.ErrPartial
		}
		if len(left) > 0 {
			p.person.mu.Lock()
			p.person.last = &rerun{o, left, p.person.now()}
			p.person.mu.Unlock()
		}
		return err
	}
}

// rerun is a send that is to be repeated: the texts that a user knows nothing of, or only that they failed, and the time
// of the person's clock at the end of the run before.
type rerun struct {
	op    op
	texts []*text
	at    time.Time
}

// seal is drafts.Seal.
func seal(ctx context.Context, p *program, a *account.Account, client *network.Client, draft account.Draft, t *text,
	request bool) (out outbox.Entry, err error) {
	var unknown error
	if draft.Network, unknown = client.Generation(ctx); unknown == nil {
		if err := client.SureClock(ctx); err != nil {
			return out, err
		}
		if err := fetchKeys(ctx, a, client, draft); err != nil {
			return out, err
		}
	}
	p.world.model.begins(t)
	switch {
	case request:
		out, err = a.RequestFriend(ctx, draft, t.again)
	case p.op.Kind == kindSeal:
		out, err = a.Seal(ctx, draft)
	default:
		out, err = a.Send(ctx, draft)
	}
	if err == nil && !p.isDead() {
		p.world.model.sealed(t, account.Protocol(out.Protocol))
	}
	if unknown != nil && errors.Is(err, account.ErrUnknownContact) {
		err = unknown
	}
	return out, err
}

// fetchKeys fetches the key of session-v2 of a recipient, if there may be one.
func fetchKeys(ctx context.Context, a *account.Account, client *network.Client, draft account.Draft) error {
	keys := route.NewPeerKeys(a, client, nil)
	defer keys.Wait()
	wanted, err := keys.Wanted(ctx, draft)
	if wanted {
		keys.Fetch(ctx, draft.To)
	}
	return err
}

// receipt prints a receipt.
func (p *program) receipt(t *text, data string, receipt outbox.Receipt) error {
	dying, err := p.step("receipt")
	if err != nil {
		return err
	}
	p.world.model.receipt(p, t, data, receipt)
	if dying {
		p.die()
		return errDead
	}
	return nil
}

// poll is the command poll.
func poll(ctx context.Context, p *program) error {
	return p.using(ctx, route.Options{}, func(_ *account.Account, _ *network.Client, router *route.Router) error {
		return router.Poll(ctx, route.PollOptions{}, p.deliver)
	})
}

// listen is the command listen.
func listen(o op) func(context.Context, *program) error {
	return func(ctx context.Context, p *program) error {
		return p.using(ctx, route.Options{}, func(_ *account.Account, _ *network.Client, router *route.Router) error {
			return router.Listen(ctx, route.ListenOptions{For: o.For}, p.deliver)
		})
	}
}

// accept is the command friend-request accept, for all requests that wait.
func accept(ctx context.Context, p *program) error {
	return p.using(ctx, route.Options{}, func(a *account.Account, _ *network.Client, router *route.Router) error {
		requests, err := a.FriendRequests(ctx)
		if err != nil {
			return err
		}
		for _, request := range requests {
			if request.State != account.StateReceived || !request.Incoming {
				continue
			}
			out, err := a.Accept(ctx, request.Peer.String())
			if err != nil {
				return err
			}
			if _, err = router.Send(ctx, out); err != nil {
				return err
			}
			if err := a.Finish(context.WithoutCancel(ctx), out.Seq); err != nil {
				return err
			}
		}
		return nil
	})
}

// publish is the command identity keys publish.
func publish(ctx context.Context, p *program) error {
	return p.using(ctx, route.Options{}, func(_ *account.Account, _ *network.Client, router *route.Router) error {
		return router.PublishKeys(ctx, true, p.person.name)
	})
}

// rotate is the command prekey rotate.
func rotate(ctx context.Context, p *program) error {
	return p.using(ctx, route.Options{}, func(a *account.Account, _ *network.Client, _ *route.Router) error {
		_, err := a.RotatePrekey(ctx)
		return err
	})
}

// unexpected reports whether an error has no documented code. An error of the disk that names no reason has none.
func unexpected(err error) bool {
	return !errors.Is(err, syscall.EIO) && cli.Describe(err).Code == string(record.CodeUnexpected)
}
