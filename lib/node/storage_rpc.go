package node

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"sessiontool/lib/node/replication"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/syncroute"
)

// maxDepth bounds the nesting of a request, because gjson is recursive. A member of the parameters is at depth 2.
const maxDepth = 64

// fullLogInterval is the least time between two log lines about a full store.
const fullLogInterval = time.Minute

// fields is a JSON object whose values are not parsed yet. Names are matched exactly, the last of equal names counts,
// and an absent value differs from an empty one.
type fields map[string]gjson.Result

// parseFields reads a JSON object. It returns false for other JSON, null included.
func parseFields(object gjson.Result) (fields, bool) {
	if !object.IsObject() {
		return nil, false
	}
	members := make(fields)
	object.ForEach(func(name, value gjson.Result) bool {
		members[name.Str] = value
		return true
	})
	return members, true
}

// validJSON reports whether body is JSON in UTF-8 that is nested no deeper than maxDepth.
func validJSON(body []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == '{' || c == '['):
			if depth++; depth > maxDepth {
				return false
			}
		case !inString && (c == '}' || c == ']'):
			depth--
		}
	}
	return utf8.Valid(body) && gjson.ValidBytes(body)
}

// text returns the string called name. It refuses a value of another type, which a 2020 server never answers.
func (f fields) text(name string) (string, error) {
	value := f[name]
	if value.Type != gjson.String {
		return "", refuse(storage.StatusBadRequest, "invalid json: `%s` is not a string\n", name)
	}
	return value.Str, nil
}

// texts returns the strings called names. The refusal names the first absent one and ends with end.
func (f fields) texts(end string, names ...string) ([]string, error) {
	for _, name := range names {
		if _, ok := f[name]; !ok {
			return nil, refuse(storage.StatusBadRequest, "invalid json: no `%s` field%s", name, end)
		}
	}
	values := make([]string, len(names))
	for i, name := range names {
		var err error
		if values[i], err = f.text(name); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// storageRPC answers one storage RPC request, direct or from an onion (storage-2.0.md section 2).
func (n *Node) storageRPC(ctx context.Context, body []byte) answer {
	method, params, err := parseCall(body)
	var result answer
	switch {
	case err != nil:
	case waits(method) && len(body) > maxWaitingBody:
		result = tooLarge
	default:
		result, err = n.call(ctx, method, params)
	}
	if err != nil {
		result = n.failure(ctx, "serving a storage request", err)
	}
	n.counters.storage.Add(methodLabel(method), result.status)
	n.report(Event{Kind: EventServed, Method: methodLabel(method), Status: result.status})
	return result
}

// failure returns the answer to a request that failed with err: a refusal's text, or an internal error.
func (n *Node) failure(ctx context.Context, doing string, err error) answer {
	var refused refusal
	var peerRefused replication.Refusal
	var reason unreadable
	switch {
	case errors.As(err, &refused):
		return textAnswer(refused.status, refused.text)
	case errors.As(err, &peerRefused):
		return textAnswer(peerRefused.Status, peerRefused.Text)
	case errors.As(err, &reason):
		return textAnswer(storage.StatusBadRequest, n.texts.unreadable[reason])
	case errors.Is(err, store.ErrBusy):
		return textAnswer(storage.StatusNotReady, textBusy)
	case errors.Is(err, store.ErrQuota):
		return textAnswer(storage.StatusNotReady, textQuota)
	case errors.Is(err, store.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		n.fullLog.Do(func() { n.log.Error("refusing messages", "error", err) })
		return textAnswer(storage.StatusNotReady, "Service node is out of space\n")
	}
	if ctx.Err() == nil {
		n.log.Error(doing, "error", err)
	}
	return textAnswer(http.StatusInternalServerError, "internal error\n")
}

func (n *Node) call(ctx context.Context, method string, params fields) (answer, error) {
	switch {
	case waits(method) && !n.behaviour.Listens:
		return answer{}, refuse(storage.StatusBadRequest, "%s%s", storage.TextNoMethod, method)
	case !waits(method) && n.serves28(method, params): // the synchronous route is the same for both
		return n.call28(ctx, method, params)
	}
	switch method {
	case storage.MethodStore:
		return n.serveStore(ctx, params)
	case storage.MethodRetrieve:
		return n.serveRetrieve(params)
	case storage.MethodSwarm:
		return n.serveSwarm(params)
	case syncroute.MethodListen:
		return n.serveListen(ctx, params)
	case syncroute.MethodDeliver:
		return n.serveDeliver(ctx, params)
	}
	return answer{}, refuse(storage.StatusBadRequest, "%s%s", storage.TextNoMethod, method)
}

// parseCall reads method and params of a request. The error is of type unreadable.
func parseCall(body []byte) (method string, params fields, err error) {
	request, err := parseObject(body)
	if err != nil {
		return "", nil, err
	}
	return request.call()
}

// parseObject reads a JSON object, which is empty for other JSON. The error is notJSON.
func parseObject(body []byte) (fields, error) {
	if !validJSON(body) {
		return nil, notJSON
	}
	object, _ := parseFields(gjson.ParseBytes(body))
	return object, nil
}

// call returns method and params of a request. The error is of type unreadable.
func (request fields) call() (method string, params fields, err error) {
	if method, err = request.text("method"); err != nil {
		return "", nil, noMethod
	}
	params, ok := parseFields(request["params"])
	if !ok {
		return "", nil, noParams
	}
	return method, params, nil
}

// serveStore checks in the order of storage-2.0.md section 2.2, and answers when the message is on disk.
func (n *Node) serveStore(ctx context.Context, params fields) (answer, error) {
	texts, err := params.texts("\n", "pubKey", "ttl", "nonce", "timestamp", "data")
	if err != nil {
		return answer{}, err
	}
	request := rpc20.StoreParams{PubKey: texts[0], TTL: texts[1], Nonce: texts[2], Timestamp: texts[3], Data: texts[4]}
	if err := checkPubKey(request.PubKey); err != nil {
		return answer{}, err
	}
	if err := checkData(request.Data); err != nil {
		return answer{}, err
	}
	n.storesInFlight.Add(1)
	defer n.storesInFlight.Add(-1)
	view := n.members.View()
	if !view.Owns(request.PubKey) {
		return swarmAnswer(storage.StatusWrongSwarm, view, request.PubKey)
	}
	m := store.NewMessage20(request)
	if err := checkTimes(m, n.now().UnixMilli(), storage.MaxFutureMillis); err != nil {
		return answer{}, err
	}
	difficulty := n.difficulty.Current()
	if len(request.Nonce) > store.MaxNumberText || !m.Meets(difficulty) {
		return difficultyAnswer(storage.StatusBadProofOfWork, difficulty), nil
	}
	if err := n.store.Insert(true, m); err != nil {
		return answer{}, err
	}
	n.reportStored(m)
	n.replication.Notify()
	n.replication.HandOverIfMoved(view, m)
	return difficultyAnswer(storage.StatusOK, difficulty), nil
}

// difficultyAnswer makes an rpc20.DifficultyAnswer.
func difficultyAnswer(status int, difficulty uint64) answer {
	body := strconv.AppendUint([]byte(`{"difficulty":`), difficulty, 10)
	return answer{status, typeJSON, append(body, '}')}
}

func checkPubKey(pubKey string) error {
	if len(pubKey) != storage.PubkeyTextLength {
		return refuse(storage.StatusBadRequest, "Pubkey must be %d characters long\n", storage.PubkeyTextLength)
	}
	return nil
}

func checkData(data string) error {
	if len(data) > storage.MaxDataBytes {
		const text = "Message body exceeds maximum allowed length of %d\n"
		return refuse(storage.StatusBadRequest, text, storage.MaxDataBytes)
	}
	return nil
}

// checkTimes refuses a ttl out of bounds and a timestamp that, at now, lies more than future ahead or has expired
// (all in milliseconds).
func checkTimes(m store.Message, now, future int64) error {
	ttl, ok := m.TTLMillis()
	if !ok {
		return errTTL
	}
	timestamp, ok := m.TimestampMillis()
	if !ok || timestamp > now+future || timestamp+ttl < now {
		return errTimestamp
	}
	return nil
}

// serveRetrieve answers with the messages after the owner's lastHash.
func (n *Node) serveRetrieve(params fields) (answer, error) {
	texts, err := params.texts("", "pubKey", "lastHash")
	if err != nil {
		return answer{}, err
	}
	pubKey, lastHash := texts[0], texts[1]
	if err := checkPubKey(pubKey); err != nil {
		return answer{}, err
	}
	view := n.members.View()
	if !view.Owns(pubKey) {
		return swarmAnswer(storage.StatusWrongSwarm, view, pubKey)
	}
	now := n.now()
	if err := checkReader(pubKey, params, now, n.allowUnsigned); err != nil {
		return answer{}, err
	}
	if size := longPage(params); size > 0 && n.behaviour.LongPages {
		messages, more, err := n.store.LongPage20(pubKey, lastHash, now.UnixMilli(), size)
		if err != nil {
			return answer{}, err
		}
		return jsonAnswer(storage.StatusOK, rpc20.RetrieveAnswer{Messages: messages, More: &more})
	}
	messages, err := n.store.Page20(pubKey, lastHash, now.UnixMilli(), rpc20.MaxRetrieved)
	if err != nil {
		return answer{}, err
	}
	return jsonAnswer(storage.StatusOK, rpc20.RetrieveAnswer{Messages: messages})
}

// longPage returns the size of a page in bytes that a request asks for (storage-2.0.md section 5.4), 0 for one of usual
// size.
func longPage(params fields) int {
	size, err := strconv.ParseInt(params["maxBytes"].Str, 10, 64)
	if err != nil {
		return 0
	}
	return int(min(size, rpc28.MaxPageBytes))
}

func (n *Node) serveSwarm(params fields) (answer, error) {
	texts, err := params.texts("\n", "pubKey")
	if err != nil {
		return answer{}, err
	}
	if err := checkPubKey(texts[0]); err != nil {
		return answer{}, err
	}
	return swarmAnswer(storage.StatusOK, n.members.View(), texts[0])
}

// swarmAnswer lists the swarm of pubKey.
func swarmAnswer(status int, view *ring.View, pubKey string) (answer, error) {
	snodes := []storage.Snode{}
	for _, p := range view.SwarmOf(pubKey) {
		snodes = append(snodes, p.Snode)
	}
	return jsonAnswer(status, rpc20.SwarmAnswer{Snodes: snodes})
}
