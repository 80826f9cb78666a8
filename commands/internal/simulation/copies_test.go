//go:build unix

package simulation

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/message"
	"sessiontool/lib/network"
	"sessiontool/lib/presence"
	"sessiontool/lib/route"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/sessionid"
)

// saved is a copy of a keystore: its folder, or what identity export has written.
type saved struct {
	files    map[string][]byte
	exported []byte
}

// passphrase opens exported keystores.
func passphrase(context.Context) ([]byte, error) { return []byte("a passphrase"), nil }

// copied reports whether a copy of a keystore was used.
func (w *world) copied() bool {
	for _, p := range w.people {
		if p.rolled {
			return true
		}
	}
	return false
}

// copies saves a copy of a keystore, or begins to use it.
func (w *world) copies(o op) {
	p := w.people[o.Who]
	if o.Kind == kindBackup {
		copied, err := p.save(w.background(), o.N == 1)
		if err != nil {
			w.model.fail("harness", "copying the keystore of %s: %v", p.name, err)
			return
		}
		p.saved = copied
		return
	}
	if p.saved == nil {
		return
	}
	dir := filepath.Join(w.dir, fmt.Sprint("copy-", o.ID))
	if err := p.saved.put(w.background(), dir); err != nil {
		w.model.fail("harness", "using a copy of the keystore of %s: %v", p.name, err)
		return
	}
	p.rolled = true
	w.count("copies used", 1)
	p.mu.Lock()
	p.last = nil // a rerun knows nothing of the run before
	p.mu.Unlock()
	if o.Kind == kindTwin {
		p.twin = dir
		return
	}
	p.losePower(uint64(o.ID)) // the keystore is gone
	p.dir = dir
}

// save copies a keystore: as cp does while no program writes, or as identity export does.
func (p *person) save(ctx context.Context, export bool) (*saved, error) {
	store, err := keystore.Open(ctx, p.dir, keystore.Unlock{}, keystore.Options{})
	if err != nil {
		return nil, err
	}
	made := &saved{}
	if export {
		var text bytes.Buffer
		err := store.Backup(ctx, &text, passphrase)
		made.exported = text.Bytes()
		return made, err
	}
	err = store.View(ctx, p.name, func(*keystore.Tx) (err error) {
		made.files, err = readFolder(p.dir)
		return err
	})
	return made, err
}

// put makes a keystore of a copy. What identity restore makes gets a key file, so that programs open it as the others.
func (c *saved) put(ctx context.Context, dir string) error {
	if c.exported == nil {
		return writeFolder(dir, c.files)
	}
	store, err := keystore.Restore(ctx, dir, bytes.NewReader(c.exported), keystore.Unlock{Passphrase: passphrase},
		keystore.Options{})
	if err != nil {
		return err
	}
	return store.ChangePassphrase(ctx, keystore.Unlock{})
}

// recover does what a user does who has used a copy of a keystore: from now on only one, and a new friend request to
// each friend.
func (w *world) recover() {
	for i, pair := range w.schedule.Friends {
		for _, ends := range [][2]int{{pair[0], pair[1]}, {pair[1], pair[0]}} {
			a, b := w.people[ends[0]], w.people[ends[1]]
			if !a.rolled {
				continue
			}
			again := w.model.newText(a.index, b.index, fmt.Sprintf("again %d.%d", i, a.index), true)
			again.again = true
			a.wait(op{Kind: kindRequest}, send(op{Protocol: account.ProtocolSignal}, []*text{again}, true))
			pause(time.Second)
			b.wait(op{Kind: kindPoll}, poll)
			b.wait(op{Kind: kindAccept}, accept)
			pause(time.Second)
			a.wait(op{Kind: kindPoll}, poll)
		}
	}
}

// create is the command keygen on a further keystore: first with the kills of the operation, then again without.
func (w *world) create(p *person, o op) {
	dir := filepath.Join(w.dir, fmt.Sprint("created-", o.ID))
	var seed sessionid.Seed
	if _, err := w.chacha(fmt.Sprint("created ", o.ID)).Read(seed[:]); err != nil {
		w.model.fail("harness", "%v", err)
		return
	}
	env := account.Environment{
		Now: p.now, Random: &random{source: w.chacha(fmt.Sprint("creating ", o.ID))}, Owner: "maker",
		StateOf: func(string) presence.State { return presence.Gone },
	}
	keygen := func(ctx context.Context, run *program) error {
		hook := func(string) {
			if dying, _ := run.step("stage"); dying {
				run.die()
			}
		}
		store, err := keystore.Create(ctx, dir, keystore.Unlock{}, keystore.Options{Disk: run.open, CommitHook: hook})
		if err != nil {
			return err
		}
		_, err = account.Create(ctx, store, env, "new", "New", seed)
		return err
	}
	p.wait(o, keygen)
	p.disk.set("") // the user makes room
	p.wait(op{Kind: kindCreate}, func(ctx context.Context, run *program) error {
		store, err := keystore.Create(ctx, dir, keystore.Unlock{}, keystore.Options{Disk: run.open})
		if err == nil {
			_, err = account.Open(ctx, store, env, "new")
		}
		if err != nil {
			err = keygen(ctx, run)
		}
		return err
	})
	store, err := keystore.Open(w.background(), dir, keystore.Unlock{}, keystore.Options{})
	if err == nil {
		_, err = store.Check(w.background())
	}
	var opened *account.Account
	if err == nil {
		opened, err = account.Open(w.background(), store, env, "new")
	}
	w.model.check(err == nil && opened.ID() == sessionid.KeysFromSeed(seed).ID(), "keystores are whole",
		"the keystore of operation %d: %v", o.ID, err)
}

// sealedText is an envelope on its way from envelope seal to swarm store.
type sealedText struct {
	text *text
	out  outbox.Entry
}

// pipeSeal is envelope seal | swarm store. The kill of the operation ends the first program or the second.
func (w *world) pipeSeal(p *person, o op) {
	texts := w.textsOf(o)
	first, second := o, op{Kind: kindSeal, Twin: o.Twin}
	if o.ID%2 == 1 {
		first.Kill, second.Kill = kill{}, o.Kill
	}
	var between []sealedText
	p.wait(first, func(ctx context.Context, run *program) error {
		return run.using(ctx, route.Options{}, func(a *account.Account, client *network.Client, _ *route.Router) error {
			for _, t := range texts {
				t.piped = true
				draft := account.Draft{To: w.people[t.to].keys.ID(), Text: t.text, Protocol: o.Protocol}
				out, err := seal(ctx, run, a, client, draft, t, false)
				if err != nil {
					w.model.failed(run, t, err)
					continue
				}
				dying, err := run.step("print")
				if err != nil {
					return err
				}
				between = append(between, sealedText{t, out})
				if dying {
					run.die()
					return errDead
				}
			}
			return nil
		})
	})
	p.wait(second, func(ctx context.Context, run *program) error {
		return run.using(ctx, route.Options{}, func(_ *account.Account, client *network.Client, _ *route.Router) error {
			storer := route.NewStorer(client, route.Options{Workers: 1, HashRate: 1_000_000})
			for _, s := range between {
				receipt, err := storer.Store(ctx, route.StoreRequest{
					To: s.out.To, TTLMillis: s.out.TTLMillis, StampMS: s.out.TimestampMS, Data: s.out.Data,
				})
				if err == nil {
					err = run.receipt(s.text, s.out.Data, receipt)
				}
				if err != nil {
					w.model.failed(run, s.text, err)
				}
			}
			return nil
		})
	})
}

// pipeOpen is swarm retrieve | envelope open. The kill of the operation ends the first program or the second.
func (w *world) pipeOpen(p *person, o op) {
	first, second := o, op{Kind: kindOpen, Twin: o.Twin}
	if o.ID%2 == 1 {
		first.Kill, second.Kill = kill{}, o.Kill
	}
	var between []account.Incoming
	p.wait(first, func(ctx context.Context, run *program) error {
		return run.using(ctx, route.Options{}, func(_ *account.Account, _ *network.Client, router *route.Router) error {
			seen := make(map[string]bool)
			return router.Retrieve(ctx, mailbox.RetrieveOptions{}, func(page mailbox.Page) (fresh int, err error) {
				for _, stored := range page.Messages {
					if seen[stored.Hash] {
						continue
					}
					seen[stored.Hash] = true
					fresh++
					dying, err := run.step("print")
					if err != nil {
						return fresh, err
					}
					between = append(between, account.Incoming{
						Data: stored.Data, Hash: stored.Hash, Route: message.RouteAsync,
					})
					if dying {
						run.die()
						return fresh, errDead
					}
				}
				return fresh, nil
			})
		})
	})
	p.wait(second, func(ctx context.Context, run *program) error {
		return run.using(ctx, route.Options{}, func(a *account.Account, _ *network.Client, _ *route.Router) error {
			for _, in := range between {
				opened, err := a.BeginAsked(in).Wait(ctx)
				if err != nil {
					return err
				}
				event := opened.Event
				if event.Outgoing {
					event.Text = ""
				}
				if err := run.print(printed{
					kind: string(event.Kind), id: event.ID, from: event.From, text: event.Text, again: opened.Duplicate,
				}); err != nil {
					return err
				}
				if event.Seq == 0 {
					continue
				}
				if err := a.MarkDelivered(context.WithoutCancel(ctx), event); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
