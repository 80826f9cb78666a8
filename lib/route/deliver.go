package route

import (
	"context"
	"errors"
	"strings"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/syncroute"
)

const (
	// answerTime is what a listening node gets, beyond the time that it is to wait, for its answer to arrive.
	answerTime = time.Second
	// lookTime bounds how long a message is held up by the question whether its recipient has come online.
	lookTime = 3 * time.Second
)

// deliver hands a message to the node at which its recipient listens, and waits for the acknowledgement. The reason is
// empty if it came, else it says why not. Errors are the account's or the context's.
func (r *Router) deliver(ctx context.Context, out account.Outgoing) (account.Receipt, account.Reason, error) {
	receipt := account.Receipt{To: out.To, Route: account.RouteSync}
	status, reason, err := r.whereabouts(ctx, out.To)
	if err != nil || reason != "" {
		return receipt, reason, err
	}
	result, reason, err := r.handOver(ctx, out, status.Node)
	if err != nil {
		return receipt, reason, err
	}
	if reason == "" {
		receipt.OK, receipt.Nodes = true, append(receipt.Nodes, result.NodeResult)
		receipt.RoundTripMS = float64(result.took.Microseconds()) / 1000
		return receipt, "", nil
	}
	r.options.Log.Info("not delivered", "node", status.Node, "reason", reason)
	if notThere[reason] {
		err = r.account.Unreachable(context.WithoutCancel(ctx), out.To, status)
	}
	return receipt, reason, err
}

// notThere are the reasons that speak against what the recipient has told. The others pass, or are about the message.
var notThere = map[account.Reason]bool{
	account.ReasonNobodyListens: true, account.ReasonNotAcknowledged: true, account.ReasonWrongAck: true,
	account.ReasonUnreachable: true, account.ReasonNoMethod: true, account.ReasonWrongSwarm: true,
}

// whereabouts returns where a contact listens, or the reason why nobody knows.
func (r *Router) whereabouts(ctx context.Context, id sessionid.ID) (account.Status, account.Reason, error) {
	status, told, err := r.account.StatusOf(ctx, id)
	if err != nil {
		return status, "", err
	}
	if !told {
		return status, account.ReasonNoStatus, nil
	}
	if status.Node == "" || !status.Fresh(time.Now()) {
		if err := r.look(ctx); err != nil {
			return status, "", err
		}
		if status, _, err = r.account.StatusOf(ctx, id); err != nil {
			return status, "", err
		}
	}
	switch {
	case status.Node == "":
		return status, account.ReasonOffline, nil
	case !status.Fresh(time.Now()):
		return status, account.ReasonStale, nil
	}
	return status, "", nil
}

// look fetches, once in a process, what waits for the account: there may be the news that somebody has come online.
// What else there is is put aside for the next poll, or for a listener, to show: this process may live long. While
// another process listens there is no need to look. The error is the account's or the context's; a network that does
// not answer now will not answer a store either, which tells.
func (r *Router) look(ctx context.Context) error {
	r.looking.Lock()
	defer r.looking.Unlock()
	if r.looked {
		return nil
	}
	r.looked = true
	if listening, err := r.account.Listening(ctx); err != nil || listening {
		return err
	}
	looking, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	var failure error
	err := r.Retrieve(looking, RetrieveOptions{UseCursors: true}, func(node network.Node, page []storage.Stored) error {
		_, failure = r.receive(ctx, node, page, r.account.ReceiveAside)
		return failure
	})
	switch {
	case failure != nil:
		return failure
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		r.options.Log.Info("cannot look who is online", "error", err)
	}
	return nil
}

// needNotLook says that what waits for the account is fetched anyway.
func (r *Router) needNotLook() {
	r.looking.Lock()
	defer r.looking.Unlock()
	r.looked = true
}

// handedOver is what a listening node answered.
type handedOver struct {
	account.NodeResult
	took time.Duration
}

// handOver asks a listening node to hand over a message. The reason is empty if the recipient has acknowledged it. The
// error is the context's.
func (r *Router) handOver(ctx context.Context, out account.Outgoing, name string) (handedOver, account.Reason, error) {
	result := handedOver{NodeResult: account.NodeResult{PubkeyEd25519: name}}
	node, err := r.namedNode(ctx, name)
	if err != nil {
		return result, account.ReasonUnreachable, ctx.Err()
	}
	body, err := storage.NewRequest(syncroute.MethodDeliver, syncroute.DeliverParams{
		PubKey: out.To.String(), Data: out.Data, WaitMillis: r.options.AckTimeout.Milliseconds(),
	})
	if err != nil {
		return result, "", err
	}
	asking, cancel := context.WithTimeout(ctx, r.options.AckTimeout+answerTime)
	defer cancel()
	started := time.Now()
	answer, err := r.network.Do(asking, node, network.Call{Method: syncroute.MethodDeliver, Body: body, Slow: true})
	result.took = time.Since(started)
	result.Millis, result.Status = result.took.Milliseconds(), answer.Status
	switch {
	case err == nil:
		reason := r.judgeDelivery(out, answer)
		result.OK = reason == ""
		return result, reason, nil
	case ctx.Err() != nil:
		return result, "", ctx.Err()
	case asking.Err() != nil:
		return result, account.ReasonNotAcknowledged, nil
	}
	return result, account.ReasonUnreachable, nil
}

// namedNode returns the registered node with this Ed25519 key. The list of nodes may be old.
func (r *Router) namedNode(ctx context.Context, name string) (network.Node, error) {
	var key network.Key
	if err := key.UnmarshalText([]byte(name)); err != nil {
		return network.Node{}, err
	}
	if _, err := r.network.Nodes(ctx); err != nil {
		return network.Node{}, err
	}
	if node, ok := r.network.Node(key); ok {
		return node, nil
	}
	if err := r.network.Refresh(ctx); err != nil {
		return network.Node{}, err
	}
	if node, ok := r.network.Node(key); ok {
		return node, nil
	}
	return network.Node{}, errors.New("no such node is registered")
}

// judgeDelivery says what the answer to a deliver means (sync-route.md section 8.1): the reason is empty if only the
// recipient can have made it.
func (r *Router) judgeDelivery(out account.Outgoing, answer network.Answer) account.Reason {
	switch answer.Status {
	case storage.StatusOK:
		ack, err := syncroute.ParseAck(answer.Body)
		switch {
		case err == nil && out.Acknowledged(ack[:]):
			return ""
		case err == nil && ack == noAck:
			return account.ReasonRefused
		}
		return account.ReasonWrongAck
	case storage.StatusNobodyListens:
		return account.ReasonNobodyListens
	case storage.StatusTimeout:
		return account.ReasonNotAcknowledged
	case storage.StatusWrongSwarm:
		return account.ReasonWrongSwarm
	case storage.StatusNotReady:
		return account.ReasonBusy
	case storage.StatusBadRequest:
		if strings.HasPrefix(answer.Body, storage.TextNoMethod) {
			return account.ReasonNoMethod
		}
	}
	return account.ReasonRefused
}

// noAck is the acknowledgement of a message that the recipient cannot open: its sender need not wait any longer.
var noAck [syncroute.AckSize]byte
