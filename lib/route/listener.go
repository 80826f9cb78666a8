package route

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/message"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/syncroute"
)

// listenWait is how long a listening node is asked to wait for a message. Relays time out after 10 s, which includes
// the way there and back.
const listenWait = 7 * time.Second

// Errors that call for another listening node. The second wraps the first.
var (
	errNodeFailed = errors.New("the node does not let us listen")
	errNoMethod   = fmt.Errorf("%w: it has no synchronous route", errNodeFailed)
)

// listener is the account's registration at one node. It uses one onion path while that works.
type listener struct {
	router *Router
	node   network.Node
	group  *network.Group
	id     string
	asked  int64           // the timestamp of the last request, in milliseconds; each has a later one
	acks   []syncroute.Ack // for committed messages, until the node has them
}

func (r *Router) newListener(node network.Node) *listener {
	var id [syncroute.DeliveryIDSize]byte
	rand.Read(id[:]) // never fails
	return &listener{router: r, node: node, group: r.network.Group(), id: hex.EncodeToString(id[:])}
}

// register registers the account at the node. A node that refuses our time gets a second request after a correction of
// the clock. The error wraps errNodeFailed, or says that no request gets through, or is the context's.
func (l *listener) register(ctx context.Context) error {
	judge := &registerJudge{listener: l, ctx: ctx}
	err := l.router.network.AskSwarm(ctx, network.Question{
		Owner: l.router.account.ID(), Call: network.Call{Method: syncroute.MethodListen, Slow: true}, Judge: judge,
		Only: []network.Node{l.node}, Backend: l.group,
	})
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case judge.failure != nil:
		return judge.failure
	case errors.Is(err, ErrClock), errors.Is(err, network.ErrUnanswered):
		return fmt.Errorf("%w: %w", errNodeFailed, err)
	}
	return err
}

// registerJudge judges the answer to the first request of a listener.
type registerJudge struct {
	*listener
	ctx     context.Context
	failure error
}

// Request implements [network.Judge].
func (j *registerJudge) Request(network.Node) ([]byte, error) { return j.request(0, false) }

// Restamp implements [network.Restamper].
func (j *registerJudge) Restamp(context.Context) error {
	j.asked, j.failure = 0, nil
	return nil
}

// Judge implements [network.Judge].
func (j *registerJudge) Judge(reply network.Reply) network.Verdict {
	switch {
	case errors.Is(reply.Err, network.ErrNotMember):
		j.failure = j.refusal(j.ctx, reply.Answer)
	case reply.Err == nil && reply.Status == storage.StatusOK:
		return network.Done
	case reply.Err == nil:
		j.failure = j.refusal(j.ctx, reply.Answer)
	}
	return network.Next
}

// next waits for messages. Without an error and without messages the time has passed.
func (l *listener) next(ctx context.Context) ([]syncroute.Delivery, error) {
	return l.ask(ctx, listenWait, false)
}

// open commits messages. The next request acknowledges them.
func (l *listener) open(ctx context.Context, deliveries []syncroute.Delivery) ([]account.Opened, error) {
	batch := make([]account.Incoming, len(deliveries))
	for i, delivery := range deliveries {
		batch[i] = account.Incoming{Data: delivery.Data, Route: message.RouteSync}
	}
	opened, err := l.router.account.Receive(ctx, batch, nil)
	if err != nil {
		return nil, err
	}
	for i, one := range opened {
		ack := one.Ack
		if len(ack) == 0 {
			ack = noAck[:]
		}
		if one.Refused {
			l.router.options.Log.Info("refused a message", "code", one.Event.Code, "reason", one.Event.Text)
		}
		l.acks = append(l.acks, syncroute.Ack{ID: deliveries[i].ID, Ack: base64.StdEncoding.EncodeToString(ack)})
	}
	return opened, nil
}

// stop unregisters at the node, with the last acknowledgements.
func (l *listener) stop(ctx context.Context) error {
	_, err := l.ask(ctx, 0, true)
	return err
}

// request makes a request with the pending acknowledgements.
func (l *listener) request(wait time.Duration, stop bool) ([]byte, error) {
	r := l.router
	l.asked = max(l.asked+1, r.network.Now().UnixMilli())
	timestamp := strconv.FormatInt(l.asked, 10)
	auth := mailbox.Authorize(r.account, syncroute.ListenSignatureText(timestamp, l.id, l.node.Ed25519.String()))
	return storage.NewRequest(syncroute.MethodListen, syncroute.ListenParams{
		PubKey: r.account.ID().String(), PubkeyEd25519: auth.PubkeyEd25519, Timestamp: timestamp,
		Signature: auth.Signature, Listener: l.id, WaitMillis: wait.Milliseconds(),
		Acks: l.acks, Stop: stop,
	})
}

// ask makes one request and passes the pending acknowledgements to the node. The error wraps errNodeFailed, or says
// that no request gets through, or is the context's. After a 421 the right swarm is known.
func (l *listener) ask(ctx context.Context, wait time.Duration, stop bool) ([]syncroute.Delivery, error) {
	body, err := l.request(wait, stop)
	if err != nil {
		return nil, err
	}
	answer, err := l.group.Do(ctx, l.node,
		network.Call{Method: syncroute.MethodListen, Body: body, Wait: wait, Slow: true})
	switch {
	case errors.Is(err, network.ErrTarget):
		return nil, fmt.Errorf("%w: %w", errNodeFailed, err)
	case err != nil:
		return nil, err
	case answer.Status == storage.StatusOK:
		l.acks = nil
		deliveries, err := syncroute.ParseDeliveries(answer.Body)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNodeFailed, err)
		}
		return deliveries, nil
	}
	return nil, l.refusal(ctx, answer)
}

// refusal returns the error for a status.
func (l *listener) refusal(ctx context.Context, answer network.Answer) error {
	switch answer.Status {
	case storage.StatusBadTimestamp, storage.StatusTooEarly:
		return fmt.Errorf("%w: %w", errNodeFailed, ErrClock)
	case storage.StatusWrongSwarm:
		_, err := l.router.network.AdoptSwarm(ctx, l.router.account.ID(), answer.Body)
		return errors.Join(fmt.Errorf("%w: %w", errNodeFailed, network.ErrNotMember), err)
	case storage.StatusBadRequest:
		if strings.HasPrefix(answer.Body, storage.TextNoMethod) {
			return errNoMethod
		}
	}
	return fmt.Errorf("%w: status %d: %.200q", errNodeFailed, answer.Status, answer.Body)
}
