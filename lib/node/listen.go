package node

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/node/mailbox"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/syncroute"
)

// maxWaitingBody bounds a request that may wait, since its body stays in memory meanwhile: a message of the largest
// size, or as many acknowledgements as one request may have, and everything around them.
const maxWaitingBody = storage.MaxDataBytes + 16<<10

// waits reports whether requests of this method wait for another client.
func waits(method string) bool {
	return method == syncroute.MethodListen || method == syncroute.MethodDeliver
}

// serveListen answers a listener: see [syncroute.ListenParams]. It requires a signature even with Config.AllowUnsigned,
// because no client of 2.0 listens.
func (n *Node) serveListen(ctx context.Context, params fields) (answer, error) {
	request, err := parseListen(params)
	if err != nil {
		return answer{}, err
	}
	listener := params["listener"].Str
	signed := func(milliseconds int64) []byte {
		return syncroute.ListenSignatureText(strconv.FormatInt(milliseconds, 10), listener, n.keys.Name())
	}
	request.Timestamp, err = checkOwner(syncroute.MethodListen, request.Owner, params, n.now(), signed)
	if err != nil {
		return answer{}, err
	}
	messages, err := n.hub.Listen(ctx, request)
	switch {
	case errors.Is(err, mailbox.ErrMoved):
		return swarmAnswer(storage.StatusWrongSwarm, n.members.View(), request.Owner)
	case err != nil:
		return answer{}, mailboxRefusal(err)
	case messages == nil:
		messages = []syncroute.Delivery{}
	}
	return jsonAnswer(storage.StatusOK, syncroute.ListenAnswer{Messages: messages})
}

// serveDeliver delivers a message to listeners: see [syncroute.DeliverParams]. It requires no signature.
func (n *Node) serveDeliver(ctx context.Context, params fields) (answer, error) {
	owner, err := parseOwner(params)
	if err != nil {
		return answer{}, err
	}
	texts, err := params.texts("\n", "data")
	if err != nil {
		return answer{}, err
	}
	data := texts[0]
	if err := checkData(data); err != nil {
		return answer{}, err
	}
	if _, err := base64.StdEncoding.DecodeString(data); err != nil {
		return answer{}, refuse(storage.StatusBadRequest, "data is not base64\n")
	}
	wait, err := parseWait(params, syncroute.DefaultWait)
	if err != nil {
		return answer{}, err
	}
	ack, err := n.hub.Deliver(ctx, owner, data, wait)
	switch {
	case errors.Is(err, mailbox.ErrMoved):
		return swarmAnswer(storage.StatusWrongSwarm, n.members.View(), owner)
	case err != nil:
		return answer{}, mailboxRefusal(err)
	}
	return jsonAnswer(storage.StatusOK, syncroute.DeliverAnswer{Ack: ack})
}

// parseListen reads all but the timestamp of a listen request.
func parseListen(params fields) (r mailbox.Request, err error) {
	if r.Owner, err = parseOwner(params); err != nil {
		return r, err
	}
	if r.Listener, err = parseID(params, "listener"); err != nil {
		return r, err
	}
	if r.Wait, err = parseWait(params, 0); err != nil {
		return r, err
	}
	switch stop := params["stop"]; {
	case stop.Type == gjson.True:
		r.Stop = true
	case stop.Exists() && stop.Type != gjson.False:
		return r, refuse(storage.StatusBadRequest, "invalid json: `stop` is not true or false\n")
	}
	r.Acks, err = parseAcks(params["acks"])
	return r, err
}

// parseOwner reads the account of a request, from pubKey or, as in 2.8, pubkey. It returns lower case.
func parseOwner(params fields) (string, error) {
	name := "pubKey"
	if _, ok := params[name]; !ok && params["pubkey"].Exists() {
		name = "pubkey"
	}
	texts, err := params.texts("\n", name)
	if err != nil {
		return "", err
	}
	return strings.ToLower(texts[0]), checkPubKey(texts[0])
}

func parseID(params fields, name string) (id mailbox.ID, err error) {
	texts, err := params.texts("\n", name)
	if err != nil {
		return id, err
	}
	raw, err := hex.DecodeString(texts[0])
	if err != nil || len(raw) != len(id) {
		return id, refuse(storage.StatusBadRequest, "`%s` is not %d hex digits\n", name, hex.EncodedLen(len(id)))
	}
	return mailbox.ID(raw), nil
}

func parseWait(params fields, absent time.Duration) (time.Duration, error) {
	value, ok := params["wait_ms"]
	if !ok {
		return absent, nil
	}
	ms, err := strconv.ParseInt(value.Raw, 10, 64)
	if err != nil || ms < 0 || ms > syncroute.MaxWait.Milliseconds() {
		most := syncroute.MaxWait.Milliseconds()
		return 0, refuse(storage.StatusBadRequest, "`wait_ms` is not a number from 0 to %d\n", most)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func parseAcks(list gjson.Result) (acks []mailbox.Ack, err error) {
	if !list.Exists() {
		return nil, nil
	}
	if !list.IsArray() {
		return nil, refuse(storage.StatusBadRequest, "invalid json: `acks` is not a list\n")
	}
	list.ForEach(func(_, element gjson.Result) bool {
		if len(acks) == syncroute.MaxAcks {
			err = refuse(storage.StatusBadRequest, "more than %d acknowledgements\n", syncroute.MaxAcks)
			return false
		}
		var one mailbox.Ack
		if one, err = parseAck(element); err == nil {
			acks = append(acks, one)
		}
		return err == nil
	})
	return acks, err
}

// parseAck reads a [syncroute.Ack].
func parseAck(element gjson.Result) (mailbox.Ack, error) {
	params, ok := parseFields(element)
	if !ok {
		return mailbox.Ack{}, refuse(storage.StatusBadRequest, "invalid json: an acknowledgement is not an object\n")
	}
	id, err := parseID(params, "id")
	if err != nil {
		return mailbox.Ack{}, err
	}
	texts, err := params.texts("\n", "ack")
	if err != nil {
		return mailbox.Ack{}, err
	}
	if raw, err := base64.StdEncoding.DecodeString(texts[0]); err != nil || len(raw) != syncroute.AckSize {
		const text = "an acknowledgement is not base64 of %d bytes\n"
		return mailbox.Ack{}, refuse(storage.StatusBadRequest, text, syncroute.AckSize)
	}
	return mailbox.Ack{Delivery: id, Text: strings.Clone(texts[0])}, nil // the clone lets the request be freed
}

// Refusals of listen and deliver (sync-route.md section 6).
var (
	refusalListenBusy = refusal{storage.StatusNotReady, "listening is busy\n"}
	refusalClosing    = refusal{storage.StatusNotReady, "Service node is closing\n"}
	refusalOldListen  = refusal{
		storage.StatusBadTimestamp, "listen timestamp is older than that of an earlier request\n",
	}
	refusalNoListener = refusal{storage.StatusNoListener, "nobody listens\n"}
	refusalNotAcked   = refusal{storage.StatusTimeout, "not acknowledged in time\n"}
)

// mailboxRefusal returns the refusal that a client gets for an error of the mailbox. Other errors pass unchanged.
func mailboxRefusal(err error) error {
	switch {
	case errors.Is(err, mailbox.ErrBusy):
		return refusalListenBusy
	case errors.Is(err, mailbox.ErrClosing):
		return refusalClosing
	case errors.Is(err, mailbox.ErrOldRequest):
		return refusalOldListen
	case errors.Is(err, mailbox.ErrNoListener):
		return refusalNoListener
	case errors.Is(err, mailbox.ErrNotAcked):
		return refusalNotAcked
	}
	return err
}
