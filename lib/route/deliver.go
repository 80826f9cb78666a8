package route

import (
	"context"
	"errors"
	"strings"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/message"
	"sessiontool/lib/network"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/syncroute"
	"sessiontool/lib/trace"
)

// answerTime is added to the node's waiting time for its answer to arrive.
const answerTime = time.Second

// deliver sends a message to the recipient's listening node and waits for the acknowledgement. The reason is empty if
// it came. Errors are the account's or the context's.
func (r *Router) deliver(ctx context.Context, out account.Outgoing,
	place *Place) (account.Receipt, account.Reason, error) {
	ctx, span := trace.Start(ctx, trace.SpanDeliver)
	receipt, reason, err := r.deliverTraced(ctx, out, place)
	span.Set(trace.String(trace.KeyReason, string(reason)))
	span.End(err)
	return receipt, reason, err
}

// deliverTraced is deliver within its span.
func (r *Router) deliverTraced(ctx context.Context, out account.Outgoing,
	place *Place) (account.Receipt, account.Reason, error) {
	receipt := account.Receipt{To: out.To, Route: message.RouteSync}
	status, reason, err := r.freshStatus(ctx, out)
	if err != nil || reason != "" {
		return receipt, reason, err
	}
	if place != nil && !out.OnlySync {
		can, err := place.crowd.Deliverable(ctx, r.options.AckTimeout)
		if err != nil || !can {
			return receipt, outbox.ReasonQueued, err
		}
	}
	result, reason, err := r.deliverAt(ctx, out, status.Node)
	if err != nil {
		return receipt, reason, err
	}
	if reason == "" {
		receipt.OK, receipt.Nodes = true, append(receipt.Nodes, result.NodeResult)
		receipt.RoundTripMS = float64(result.took.Microseconds()) / 1000
		return receipt, "", nil
	}
	r.options.Log.Info("not delivered", "node", status.Node, "reason", reason)
	if disprovesStatus[reason] {
		err = r.account.Unreachable(context.WithoutCancel(ctx), out.To, status)
	}
	return receipt, reason, err
}

// disprovesStatus has the reasons that contradict the recipient's status. The others are temporary, or about the
// message.
var disprovesStatus = map[account.Reason]bool{
	outbox.ReasonNobodyListens: true, outbox.ReasonNotAcknowledged: true, outbox.ReasonWrongAck: true,
	outbox.ReasonUnreachable: true, outbox.ReasonNoMethod: true, outbox.ReasonWrongSwarm: true,
}

// freshStatus returns the status of a message's recipient, with its listening node, or the reason why there is none. If
// the known status is not fresh, the presence probe begins: its result counts for later messages, and for this one if
// it has no other route.
func (r *Router) freshStatus(ctx context.Context, out account.Outgoing) (account.Status, account.Reason, error) {
	id := out.To
	status, known, err := r.account.StatusOf(ctx, id)
	if err != nil {
		return status, "", err
	}
	if !known {
		return status, outbox.ReasonNoStatus, nil
	}
	if status.Node == "" || !status.Fresh(r.network.OwnTime()) {
		r.beginProbe(ctx)
		if !out.OnlySync {
			return status, notFresh(status), nil
		}
		if err := r.awaitProbe(ctx); err != nil {
			return status, "", err
		}
		if status, _, err = r.account.StatusOf(ctx, id); err != nil {
			return status, "", err
		}
	}
	if status.Node == "" || !status.Fresh(r.network.OwnTime()) {
		return status, notFresh(status), nil
	}
	return status, "", nil
}

// notFresh is the reason why a status that is not fresh names no listening node.
func notFresh(status account.Status) account.Reason {
	if status.Node == "" {
		return outbox.ReasonOffline
	}
	return outbox.ReasonStale
}

// deliveryResult is the answer of a listening node.
type deliveryResult struct {
	account.NodeResult
	took time.Duration
}

// deliverAt sends a deliver request to a listening node. The reason is empty if the recipient has acknowledged it. The
// error is the context's.
func (r *Router) deliverAt(ctx context.Context, out account.Outgoing,
	name string) (deliveryResult, account.Reason, error) {
	result := deliveryResult{NodeResult: account.NodeResult{PubkeyEd25519: name}}
	node, err := r.namedNode(ctx, name)
	if err != nil {
		return result, outbox.ReasonUnreachable, ctx.Err()
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
	answer, err := r.network.Do(asking, node,
		network.Call{Method: syncroute.MethodDeliver, Body: body, Slow: true, Handed: true})
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
		return result, outbox.ReasonNotAcknowledged, nil
	}
	return result, outbox.ReasonUnreachable, nil
}

// namedNode returns the registered node with this Ed25519 key, and refreshes an old node list for it.
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

// judgeDelivery returns the meaning of an answer to deliver (sync-route.md section 8.1). The reason is empty if only
// the recipient can have made the answer.
func (r *Router) judgeDelivery(out account.Outgoing, answer network.Answer) account.Reason {
	switch answer.Status {
	case storage.StatusOK:
		ack, err := syncroute.ParseAck(answer.Body)
		switch {
		case err == nil && out.Acknowledged(ack[:]):
			return ""
		case err == nil && ack == noAck:
			return outbox.ReasonRefused
		}
		return outbox.ReasonWrongAck
	case storage.StatusNoListener:
		return outbox.ReasonNobodyListens
	case storage.StatusTimeout:
		return outbox.ReasonNotAcknowledged
	case storage.StatusWrongSwarm:
		return outbox.ReasonWrongSwarm
	case storage.StatusNotReady:
		return outbox.ReasonBusy
	case storage.StatusBadRequest:
		if strings.HasPrefix(answer.Body, storage.TextNoMethod) {
			return outbox.ReasonNoMethod
		}
	}
	return outbox.ReasonRefused
}

// noAck is the acknowledgement of a message that the recipient cannot open: the sender need not wait any longer.
var noAck [syncroute.AckSize]byte
