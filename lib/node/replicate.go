package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"sessiontool/lib/rpc"
)

const (
	// pushTimeout bounds one push (node notes, section 8).
	pushTimeout = 15 * time.Second
	// maxPushAnswer bounds what is read of a peer's answer.
	maxPushAnswer = 4 << 10
)

// errPushRefused reports a push that will be refused however often it is repeated.
var errPushRefused = errors.New("peer refuses the batch")

// replicator gives what clients store here to the other members of the swarm. It holds an outbox for each of them and
// keeps trying while the process lives; what is in the outboxes then is lost. It is safe for concurrent use.
type replicator struct {
	log    *slog.Logger
	client *http.Client
	keys   Keys
	now    func() time.Time
	tasks  sync.WaitGroup // one per outbox

	mu       sync.Mutex
	outboxes map[string]*outbox // by the peer's name
}

func newReplicator(log *slog.Logger, client *http.Client, keys Keys, now func() time.Time) *replicator {
	return &replicator{log: log, client: client, keys: keys, now: now, outboxes: make(map[string]*outbox)}
}

// setPeers makes peers the receivers. Outboxes of nodes that are no longer among them go, and what is in them; those
// of nodes that moved are kept. New ones work until ctx ends.
func (r *replicator) setPeers(ctx context.Context, peers []*peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gone := r.outboxes
	r.outboxes = make(map[string]*outbox, len(peers))
	for _, p := range peers {
		box := gone[p.name()]
		delete(gone, p.name())
		if box == nil {
			box = r.open(ctx, p.name())
		}
		box.target.Store(p)
		r.outboxes[p.name()] = box
	}
	for _, box := range gone {
		box.stop()
	}
}

// open starts an outbox.
func (r *replicator) open(ctx context.Context, name string) *outbox {
	ctx, cancel := context.WithCancel(ctx)
	box := newOutbox(r.log.With("peer", name), r.now, cancel)
	box.send = func(ctx context.Context, batch []message) error {
		return r.send(ctx, box.target.Load(), batch)
	}
	r.tasks.Go(func() { box.run(ctx) })
	return box
}

// push hands a message, which is durable here, to every outbox. It never waits.
func (r *replicator) push(m message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, box := range r.outboxes {
		box.add(m)
	}
}

// wait returns when all outboxes have ended, which they do when the contexts given to setPeers have.
func (r *replicator) wait() { r.tasks.Wait() }

// send posts one batch to a peer.
func (r *replicator) send(ctx context.Context, to *peer, batch []message) error {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	var body []byte
	for _, m := range batch {
		body = appendMessage(body, m)
	}
	request, err := newPeerRequest(ctx, to, PushPath, body)
	if err != nil {
		return err
	}
	signPush(request.Header, r.keys, to.name(), r.now(), body)
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxPushAnswer))
	if err != nil {
		return err
	}
	switch response.StatusCode {
	case rpc.StatusOK:
	case rpc.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusNotFound:
		return fmt.Errorf("%w: status %d: %q", errPushRefused, response.StatusCode, text)
	default:
		return fmt.Errorf("status %d: %q", response.StatusCode, text)
	}
	var counts pushAnswer
	if err := json.Unmarshal(text, &counts); err != nil {
		return fmt.Errorf("reading the answer to a push: %w", err)
	}
	if counts.Refused > 0 {
		r.log.Warn("peer refuses messages", "peer", to.name(), "refused", counts.Refused, "stored", counts.Stored)
	}
	return nil
}

// newPeerRequest makes a POST to another node that may be sent again if a kept connection turns out to be dead: both
// kinds of request between nodes may arrive twice without harm.
func newPeerRequest(ctx context.Context, to *peer, path string, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+to.hostPort+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header["Idempotency-Key"] = nil // not sent; tells net/http that it may repeat the request
	request.Header["User-Agent"] = nil
	return request, nil
}
