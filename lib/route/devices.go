package route

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/accountkeys"
	"sessiontool/lib/devicegroup"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// This file keeps the account's keys of session-v2 in step with its swarm: the group message of its devices, in
// namespace 21, and its published key, in namespace -21 (session-v2.md sections 5 and 10 to 14).

// syncEvery is how often a listener reads the device group, unless something is due.
const syncEvery = time.Minute

// pushRounds bounds how often one sync pushes: each push may meet that of another device.
const pushRounds = 3

// ownKeys is what the swarm has of the account's keys.
type ownKeys struct {
	devices   []keyring.Message
	published []storage.Stored
	cursors   []account.Cursor
}

// key returns the key that the swarm publishes, nil if there is none.
func (k ownKeys) key(a *account.Account) *accountkeys.Public {
	published := slices.Clone(k.published) // of several members
	slices.SortStableFunc(published, func(x, y storage.Stored) int { return cmp.Compare(x.Timestamp, y.Timestamp) })
	key, _, found := latestKey(a.ID(), published)
	if !found {
		return nil
	}
	return &key
}

// SyncKeys reads the device group and the published key of the account, if this device is in a group. It then rotates
// the account key if that is due, and stores in the swarm what it lacks. It returns the events of messages that waited
// for keys of other devices. With storage RPC 2.0 it does nothing. The errors are those of [Storer.Store] and of
// AskSwarm.
func (r *Router) SyncKeys(ctx context.Context) ([]inbox.Waiting, error) {
	return r.syncKeys(ctx, func(*keyring.Keyring) bool { return true })
}

// KeepKeys is SyncKeys if a rotation, a push or a publication is due.
func (r *Router) KeepKeys(ctx context.Context) ([]inbox.Waiting, error) {
	return r.syncKeys(ctx, (*keyring.Keyring).Overdue)
}

// syncListening is SyncKeys if it is due or the last one was long ago.
func (r *Router) syncListening(ctx context.Context, last *time.Time) ([]inbox.Waiting, error) {
	long := time.Since(*last) >= syncEvery
	events, err := r.syncKeys(ctx, func(k *keyring.Keyring) bool { return long || k.Overdue() })
	if err == nil && long {
		*last = time.Now()
	}
	return events, err
}

func (r *Router) syncKeys(ctx context.Context, wanted func(*keyring.Keyring) bool) ([]inbox.Waiting, error) {
	wants := false
	err := r.account.ViewKeyring(ctx, func(k *keyring.Keyring) error {
		wants = k.Standing() == keyring.Member && wanted(k)
		return nil
	})
	if err != nil || !wants {
		return nil, err
	}
	if generation, err := r.network.Generation(ctx); err != nil || generation != storage.Generation28 {
		return nil, err
	}
	found, err := r.readOwnKeys(ctx, true)
	if err != nil {
		return nil, err
	}
	fresh, err := r.takeOwnKeys(ctx, found)
	return fresh, errors.Join(err, r.storeOwnKeys(ctx))
}

// retrieve receives new messages, and at the same time SyncKeys does its work: a failure of that is logged. At the end
// it reports the messages whose keys are missing for long.
func (r *Router) retrieve(ctx context.Context, truncated func(mailbox.Truncated) error) error {
	var syncing sync.WaitGroup
	var syncErr error
	syncing.Go(func() { _, syncErr = r.SyncKeys(ctx) })
	err := r.retrieveAll(ctx, truncated)
	syncing.Wait()
	if syncErr = r.pass("cannot keep the account's keys", syncErr); syncErr != nil {
		return errors.Join(err, syncErr)
	}
	_, reportErr := r.account.ReportUndecided(context.WithoutCancel(ctx))
	return errors.Join(err, reportErr)
}

// takeOwnKeys merges what the swarm has, and rotates if that is due.
func (r *Router) takeOwnKeys(ctx context.Context, found ownKeys) ([]inbox.Waiting, error) {
	standing := keyring.Member
	opened, err := r.account.UpdateKeyring(ctx, found.cursors, func(k *keyring.Keyring) error {
		if err := k.Take(found.devices); err != nil {
			return err
		}
		k.See(found.key(r.account))
		standing = k.Standing()
		return k.KeepFresh()
	})
	switch standing {
	case keyring.Removed:
		r.options.Log.Warn("another device has removed this one from the account's devices: new messages with forward "+
			"secrecy cannot be read here", "hint", "device link")
	case keyring.Displaced:
		r.options.Log.Warn("the account's devices go on without this one: new messages with forward secrecy cannot be "+
			"read here", "hint", "device link")
	}
	return newEvents(opened), err
}

// storeOwnKeys pushes the device group and publishes the account key, as far as the swarm lacks them. The group comes
// first: a device that reads of a key can read messages for it.
func (r *Router) storeOwnKeys(ctx context.Context) error {
	for range pushRounds {
		var push keyring.Push
		needed := false
		err := r.account.ViewKeyring(ctx, func(k *keyring.Keyring) (err error) {
			if needed = k.NeedsPush(); needed {
				push, err = k.Push()
			}
			return err
		})
		if err != nil {
			return err
		}
		if !needed {
			break
		}
		hash, err := r.storeOwn(ctx, devicegroup.Namespace, push.Data, devicegroup.Lifetime, push.Replaces)
		if err != nil {
			return err
		}
		if _, err := r.account.UpdateKeyring(ctx, nil, func(k *keyring.Keyring) error {
			k.Pushed(push, hash)
			return nil
		}); err != nil {
			return err
		}
	}
	return r.publishKey(ctx)
}

// publishKey publishes the account key if the swarm has another one.
func (r *Router) publishKey(ctx context.Context) error {
	var message []byte
	var key accountkeys.Public
	err := r.account.ViewKeyring(ctx, func(k *keyring.Keyring) (err error) {
		message = nil
		if k.NeedsPublish() {
			message, key, err = k.Publish()
		}
		return err
	})
	if err != nil || message == nil {
		return err
	}
	if _, err := r.storeOwn(ctx, accountkeys.Namespace, message, accountkeys.PublishedLifetime, nil); err != nil {
		return err
	}
	_, err = r.account.UpdateKeyring(ctx, nil, func(k *keyring.Keyring) error {
		k.Published(key)
		return nil
	})
	return err
}

// storeOwn stores a message in a namespace of the account, then deletes those that it replaces. It returns the hash.
func (r *Router) storeOwn(
	ctx context.Context, namespace rpc28.Namespace, data []byte, ttl time.Duration, replaces []string,
) (string, error) {
	receipt, err := r.Store(ctx, StoreRequest{
		To: r.account.ID(), TTLMillis: ttl.Milliseconds(), Data: base64.StdEncoding.EncodeToString(data),
		own: &ownStore{account: r.account, namespace: namespace, replaces: replaces},
	})
	return receipt.MessageHash, err
}

// readOwnKeys asks members of the account's swarm for the messages of its devices and for the published key. With
// cursors, it reads only the device messages that a member has got since the last time.
func (r *Router) readOwnKeys(ctx context.Context, cursors bool) (ownKeys, error) {
	judge := &ownKeysJudge{router: r, ctx: ctx, cursors: cursors, known: make(map[string]bool)}
	err := r.network.AskSwarm(ctx, network.Question{
		Owner: r.account.ID(), Call: network.Call{Method: rpc28.MethodBatch}, Judge: judge,
		Sides: network.SwarmTargets, Enough: min(2, network.SwarmTargets),
	})
	if errors.Is(err, network.ErrUnanswered) {
		err = fmt.Errorf("%w: %w", ErrNotRetrieved, err)
	}
	return judge.found, err
}

// ownKeysJudge collects the answers of members.
type ownKeysJudge struct {
	router  *Router
	ctx     context.Context
	cursors bool
	known   map[string]bool // hashes in found
	found   ownKeys
}

// deviceCursor is the name of the cursor in a node's list of device messages.
func deviceCursor(node network.Node) string {
	return fmt.Sprintf("%s/%d", node.Ed25519, devicegroup.Namespace)
}

// Request implements [network.Judge].
func (j *ownKeysJudge) Request(node network.Node) ([]byte, error) {
	owner, now, last := j.router.account, j.router.network.Now().UnixMilli(), ""
	if j.cursors {
		var err error
		if last, err = owner.LastHash(j.ctx, deviceCursor(node)); err != nil {
			return nil, err
		}
	}
	if len(last) != rpc28.HashTextLength {
		last = ""
	}
	return storage.NewRequest(rpc28.MethodBatch, rpc28.BatchParams{Requests: []rpc28.Call{
		{Method: storage.MethodRetrieve, Params: rpc28.RetrieveParams{
			Pubkey: owner.ID().String(), Namespace: devicegroup.Namespace, LastHash: last, Timestamp: now,
			Auth: mailbox.Authorize(owner, signtext.Retrieve(devicegroup.Namespace, now)),
		}},
		{Method: storage.MethodRetrieve, Params: rpc28.RetrieveParams{
			Pubkey: owner.ID().String(), Namespace: accountkeys.Namespace,
		}},
	}})
}

// Judge implements [network.Judge].
func (j *ownKeysJudge) Judge(reply network.Reply) network.Verdict {
	if reply.Err != nil || reply.Status != storage.StatusOK {
		return network.Next
	}
	results, err := rpc28.ParseBatch(reply.Body, 2)
	if err != nil || len(results) != 2 || results[0].Code != storage.StatusOK || results[1].Code != storage.StatusOK {
		return network.Next
	}
	devices, err := rpc28.ParsePage(string(results[0].Body))
	if err != nil {
		return network.Next
	}
	published, err := rpc28.ParsePage(string(results[1].Body))
	if err != nil {
		return network.Next
	}
	for _, stored := range devices.Messages {
		data, err := base64.StdEncoding.DecodeString(stored.Data)
		// The hash is computed, not believed: it names what the next push deletes.
		if hash := rpc28.MessageHash(j.router.account.ID(), devicegroup.Namespace, data); err == nil && !j.known[hash] {
			j.known[hash] = true
			j.found.devices = append(j.found.devices,
				keyring.Message{Data: data, Hash: hash, StoredMS: stored.Timestamp})
		}
	}
	if count := len(devices.Messages); count > 0 {
		j.found.cursors = append(j.found.cursors,
			account.Cursor{Node: deviceCursor(reply.Member), Hash: devices.Messages[count-1].Hash})
	}
	j.found.published = append(j.found.published, published.Messages...)
	return network.Done
}
