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

	"sessiontool/lib/rpc"
)

// maxWaitingBody bounds a request that may wait, since its body stays in memory meanwhile: a message of the largest size,
// or as many acknowledgements as one request may have, and everything around them.
const maxWaitingBody = rpc.MaxDataBytes + 16<<10

// waits reports whether requests of this method wait for somebody else.
func waits(method string) bool { return method == rpc.MethodListen || method == rpc.MethodDeliver }

// serveListen answers somebody who listens: see rpc.ListenParams. Signatures are demanded whatever Config.AllowUnsigned
// says, since no client of 2020 listens.
func (n *Node) serveListen(ctx context.Context, params fields) (answer, error) {
	request, err := parseListen(params)
	if err != nil {
		return answer{}, err
	}
	listener := params["listener"].Str
	request.timestamp, err = checkOwner(rpc.MethodListen, request.owner, params, n.now(), func(milliseconds int64) []byte {
		return rpc.ListenSignatureText(strconv.FormatInt(milliseconds, 10), listener, n.keys.Name())
	})
	if err != nil {
		return answer{}, err
	}
	messages, err := n.listeners.listen(ctx, request)
	switch {
	case errors.Is(err, errMoved):
		return swarmAnswer(rpc.StatusWrongSwarm, n.members.view(), request.owner)
	case err != nil:
		return answer{}, err
	case messages == nil:
		messages = []rpc.Delivery{}
	}
	return jsonAnswer(rpc.StatusOK, rpc.ListenAnswer{Messages: messages})
}

// serveDeliver hands a message to those who listen: see rpc.DeliverParams. Anybody may deliver.
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
		return answer{}, refuse(rpc.StatusBadRequest, "data is not base64\n")
	}
	wait, err := parseWait(params, rpc.DefaultWait)
	if err != nil {
		return answer{}, err
	}
	ack, err := n.listeners.deliver(ctx, owner, data, wait)
	switch {
	case errors.Is(err, errMoved):
		return swarmAnswer(rpc.StatusWrongSwarm, n.members.view(), owner)
	case err != nil:
		return answer{}, err
	}
	return jsonAnswer(rpc.StatusOK, rpc.DeliverAnswer{Ack: ack})
}

// parseListen reads all but the timestamp of a listen request.
func parseListen(params fields) (r listenRequest, err error) {
	if r.owner, err = parseOwner(params); err != nil {
		return r, err
	}
	if r.listener, err = parseID(params, "listener"); err != nil {
		return r, err
	}
	if r.wait, err = parseWait(params, 0); err != nil {
		return r, err
	}
	switch stop := params["stop"]; {
	case stop.Type == gjson.True:
		r.stop = true
	case stop.Exists() && stop.Type != gjson.False:
		return r, refuse(rpc.StatusBadRequest, "invalid json: `stop` is not true or false\n")
	}
	r.acks, err = parseAcks(params["acks"])
	return r, err
}

// parseOwner reads whose messages it is about. Today's name of the parameter does, too. Session IDs that differ in case
// are the same.
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

func parseID(params fields, name string) (id shortID, err error) {
	texts, err := params.texts("\n", name)
	if err != nil {
		return id, err
	}
	raw, err := hex.DecodeString(texts[0])
	if err != nil || len(raw) != len(id) {
		return id, refuse(rpc.StatusBadRequest, "`%s` is not %d hex digits\n", name, hex.EncodedLen(len(id)))
	}
	return shortID(raw), nil
}

func parseWait(params fields, absent time.Duration) (time.Duration, error) {
	value, ok := params["wait_ms"]
	if !ok {
		return absent, nil
	}
	ms, err := strconv.ParseInt(value.Raw, 10, 64)
	if err != nil || ms < 0 || ms > rpc.MaxWait.Milliseconds() {
		return 0, refuse(rpc.StatusBadRequest, "`wait_ms` is not a number from 0 to %d\n", rpc.MaxWait.Milliseconds())
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func parseAcks(list gjson.Result) (acks []ack, err error) {
	if !list.Exists() {
		return nil, nil
	}
	if !list.IsArray() {
		return nil, refuse(rpc.StatusBadRequest, "invalid json: `acks` is not a list\n")
	}
	list.ForEach(func(_, element gjson.Result) bool {
		if len(acks) == rpc.MaxAcks {
			err = refuse(rpc.StatusBadRequest, "more than %d acknowledgements\n", rpc.MaxAcks)
			return false
		}
		var one ack
		if one, err = parseAck(element); err == nil {
			acks = append(acks, one)
		}
		return err == nil
	})
	return acks, err
}

// parseAck reads an rpc.Ack.
func parseAck(element gjson.Result) (ack, error) {
	params, ok := parseFields(element)
	if !ok {
		return ack{}, refuse(rpc.StatusBadRequest, "invalid json: an acknowledgement is not an object\n")
	}
	id, err := parseID(params, "id")
	if err != nil {
		return ack{}, err
	}
	texts, err := params.texts("\n", "ack")
	if err != nil {
		return ack{}, err
	}
	if raw, err := base64.StdEncoding.DecodeString(texts[0]); err != nil || len(raw) != rpc.AckSize {
		return ack{}, refuse(rpc.StatusBadRequest, "an acknowledgement is not base64 of %d bytes\n", rpc.AckSize)
	}
	return ack{id, strings.Clone(texts[0])}, nil // a copy, which does not keep the whole request in memory
}
