package route

import (
	"context"
	"encoding/base64"
	"log/slog"
	"sync"

	"sessiontool/lib/account"
	"sessiontool/lib/accountkeys"
	"sessiontool/lib/network"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// PeerKeys fetches the keys of session-v2 that recipients publish (session-v2.md section 5) and stores them in the
// account. A fetch looks like a poll from outside: it takes the same paths and has the same size, since all requests are
// padded. It is safe for concurrent use.
type PeerKeys struct {
	account *account.Account
	network *network.Client
	log     *slog.Logger

	mu      sync.Mutex
	fetches map[sessionid.ID]chan struct{} // of this process; closed when the answer is stored
	beside  sync.WaitGroup
}

// NewPeerKeys returns a fetcher for an account. A nil log discards.
func NewPeerKeys(a *account.Account, n *network.Client, log *slog.Logger) *PeerKeys {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &PeerKeys{account: a, network: n, log: log, fetches: make(map[sessionid.ID]chan struct{})}
}

// Wanted reports whether the key of the draft's recipient must be fetched before the draft is sealed. A key that is
// stale but usable is fetched beside.
func (p *PeerKeys) Wanted(ctx context.Context, draft account.Draft) (bool, error) {
	known, err := p.account.PeerKeys(ctx, draft)
	if err != nil {
		return false, err
	}
	if known.Fetch && !known.Before {
		p.beside.Go(func() { p.Fetch(ctx, draft.To) })
	}
	return known.Before, nil
}

// Fetch asks the recipient's swarm for its key and stores the answer. Without an answer it stores nothing: the message
// then goes without. Concurrent calls for one recipient are one fetch, and each recipient is asked once.
func (p *PeerKeys) Fetch(ctx context.Context, id sessionid.ID) {
	p.mu.Lock()
	done, found := p.fetches[id]
	if !found {
		done = make(chan struct{})
		p.fetches[id] = done
	}
	p.mu.Unlock()
	if found {
		select {
		case <-done:
		case <-ctx.Done():
		}
		return
	}
	defer close(done)
	key, err := fetchKey(ctx, p.network, id)
	if err == nil {
		err = p.account.RememberPeerKey(ctx, id, key)
	}
	if err != nil {
		p.log.Info("the recipient's keys are not known", "error", err)
	}
}

// Wait waits for the fetches beside.
func (p *PeerKeys) Wait() { p.beside.Wait() }

// fetchKey returns the account key that id publishes, nil if it publishes none. Members of the swarm may have different
// messages for a while, and one member may hold back a message or give an old one. So three are asked, and the key that
// most of them have counts, then the one that was stored last. None is published only if no member has a message.
func fetchKey(ctx context.Context, n *network.Client, id sessionid.ID) (*accountkeys.Public, error) {
	judge := &keyJudge{owner: id}
	err := n.AskSwarm(ctx, network.Question{
		Owner: id, Call: network.Call{Method: storage.MethodRetrieve}, Judge: judge,
		Sides: network.SwarmTargets, Enough: min(2, network.SwarmTargets),
	})
	if err != nil {
		return nil, err
	}
	return judge.best(), nil
}

// keyJudge collects the published keys of members.
type keyJudge struct {
	owner sessionid.ID
	votes []keyVote
}

// keyVote is a key with the number of members that have it.
type keyVote struct {
	key      accountkeys.Public
	votes    int
	storedMS int64
}

// Request implements [network.Judge].
func (j *keyJudge) Request(network.Node) ([]byte, error) {
	return storage.NewRequest(storage.MethodRetrieve, rpc28.RetrieveParams{
		Pubkey: j.owner.String(), Namespace: accountkeys.Namespace,
	})
}

// Judge implements [network.Judge].
func (j *keyJudge) Judge(reply network.Reply) network.Verdict {
	if reply.Err != nil || reply.Status != storage.StatusOK {
		return network.Next
	}
	page, err := rpc28.ParsePage(reply.Body)
	if err != nil {
		return network.Next
	}
	if key, storedMS, found := latestKey(j.owner, page.Messages); found {
		j.add(key, storedMS)
	}
	return network.Done
}

// latestKey returns the key of the last message that publishes a usable one.
func latestKey(owner sessionid.ID, messages []storage.Stored) (accountkeys.Public, int64, bool) {
	for i := len(messages) - 1; i >= 0; i-- {
		data, err := base64.StdEncoding.DecodeString(messages[i].Data)
		if err != nil {
			continue
		}
		if key, err := accountkeys.ParsePublished(owner, data); err == nil {
			return key, messages[i].Timestamp, true
		}
	}
	return accountkeys.Public{}, 0, false
}

func (j *keyJudge) add(key accountkeys.Public, storedMS int64) {
	for i := range j.votes {
		if v := &j.votes[i]; v.key.Equal(key) {
			v.votes, v.storedMS = v.votes+1, max(v.storedMS, storedMS)
			return
		}
	}
	j.votes = append(j.votes, keyVote{key, 1, storedMS})
}

// best returns the key that counts, nil if there is none.
func (j *keyJudge) best() *accountkeys.Public {
	var best keyVote
	for _, vote := range j.votes {
		if vote.votes > best.votes || vote.votes == best.votes && vote.storedMS > best.storedMS {
			best = vote
		}
	}
	if best.votes == 0 {
		return nil
	}
	return &best.key
}
