package node

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"

	"sessiontool/lib/node/link"
	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
)

const (
	// maxRelays bounds the requests that this node relays at a time. Most of them may be polls that wait for messages.
	maxRelays = 2048
	// maxRelayedAnswer bounds a relayed answer: ten messages of the largest size, every character of them escaped in
	// JSON, sealed and in base64, stay below it.
	maxRelayedAnswer = 16 << 20
	// hopHeader counts the relays that a request has passed. Clients do not send it.
	hopHeader = "X-Onion-Hop"
	// maxHops bounds that count, as with storage RPC 2.8.
	maxHops = 15
)

const textTooManyHops = "onion request max path length exceeded"

// passedHops reads hopHeader. A malformed count is above maxHops.
func passedHops(r *http.Request) int {
	text := r.Header.Get(hopHeader)
	if text == "" {
		return 0
	}
	hops, err := strconv.Atoi(text)
	if err != nil || hops < 0 {
		return maxHops + 1
	}
	return hops
}

// serveOnion decrypts this node's layer of a request and executes it (storage-2.0.md section 7).
func (n *Node) serveOnion(w http.ResponseWriter, r *http.Request, version onion.Version, body []byte) {
	if passedHops(r) > maxHops {
		n.write(w, bareAnswer(storage.StatusBadRequest, textTooManyHops))
		return
	}
	layer, err := n.behaviour.OpenLayer(version, n.keys.X25519, body)
	switch {
	case errors.Is(err, onion.ErrCiphertext):
		n.write(w, bareAnswer(storage.StatusBadRequest, onion.TextCiphertext))
		return
	case err != nil:
		n.write(w, bareAnswer(storage.StatusBadRequest, n.texts.badOnion+err.Error()))
		return
	}
	hops := passedHops(r) + layer.Hops // clients of 2.8 can start from another number than 0
	if hops > maxHops {
		n.write(w, bareAnswer(storage.StatusBadRequest, textTooManyHops))
		return
	}
	r.Header.Set(hopHeader, strconv.Itoa(hops))
	n.counters.onions.Add(layer.Step.String(), 0)
	switch layer.Step {
	case onion.Relay:
		n.relay(w, r, version, layer)
	case onion.Final:
		n.report(Event{Kind: EventExited, Hop: hops})
		result := n.storageRPC(r.Context(), layer.Payload)
		n.write(w, n.seal(layer, result.status, string(result.body)))
	case onion.Server:
		n.write(w, n.seal(layer, storage.StatusBadRequest, onion.TextURL))
	case onion.Malformed:
		n.write(w, n.seal(layer, storage.StatusBadRequest, onion.TextJSON))
	}
}

// seal encrypts an answer for the sender of a layer. The status of the answer is inside; that of HTTP is 200.
func (n *Node) seal(layer *onion.Layer, status int, body string) answer {
	sealed, err := layer.SealResponse(n.random, status, body)
	if err != nil {
		n.log.Error("sealing an onion answer", "error", err)
		return bareAnswer(http.StatusInternalServerError, "internal error")
	}
	return answer{status: storage.StatusOK, body: sealed}
}

// onionTimeout is the answer for a next hop that does not answer.
var onionTimeout = bareAnswer(storage.StatusTimeout, onion.TextTimeout)

// relay posts the inner layer to the next hop.
func (n *Node) relay(w http.ResponseWriter, r *http.Request, version onion.Version, layer *onion.Layer) {
	next := n.members.View().Peers[layer.Destination]
	if next == nil {
		n.write(w, bareAnswer(storage.StatusBadGateway, onion.TextNextNode+layer.Destination))
		return
	}
	hops := passedHops(r) + 1
	n.report(Event{Kind: EventRelayed, Hop: hops - 1, Peer: next.Name()})
	if n.relayOverLink(w, r, next, version, hops, layer.Body) {
		return
	}
	n.forward(w, r, next, version.Path(), nil, layer.Body, onionTimeout)
}

// relayOverLink forwards over a link. It returns false if the request has to be sent over HTTP.
func (n *Node) relayOverLink(
	w http.ResponseWriter, r *http.Request, next *ring.Peer, version onion.Version, hops int, body []byte,
) bool {
	ctx, cancel := context.WithTimeout(r.Context(), n.behaviour.HopTimeout)
	defer cancel()
	defer context.AfterFunc(n.relaying, cancel)()
	if !n.relays.acquire(ctx) {
		n.write(w, onionTimeout)
		return true
	}
	defer n.relays.release()
	status, result, err := n.links.Call(ctx, next, version.Path(), hops, body)
	switch {
	case errors.Is(err, link.ErrNoLink):
		return false
	case err != nil || status == 0:
		n.log.Debug("next hop does not answer", "to", next.Name(), "error", err)
		n.reportLost(r, next, hops-1)
		n.behaviour.GiveUp(ctx)
		n.write(w, onionTimeout)
	default:
		n.write(w, answer{relayedStatus(status), typeNone, result})
	}
	return true
}

// forward posts body to a path of the next hop and streams its answer to the client. If none arrives, the answer is
// late.
func (n *Node) forward(
	w http.ResponseWriter, r *http.Request, next *ring.Peer, path string, header http.Header, body []byte, late answer,
) {
	ctx, cancel := context.WithTimeout(r.Context(), n.behaviour.HopTimeout)
	defer cancel()
	defer context.AfterFunc(n.relaying, cancel)()
	if !n.relays.acquire(ctx) {
		n.write(w, late)
		return
	}
	defer n.relays.release()
	request, err := peerhttp.NewRequest(ctx, next, path, body)
	if err != nil {
		n.log.Error("relaying a request", "to", next.Name(), "error", err)
		n.write(w, bareAnswer(http.StatusInternalServerError, "internal error"))
		return
	}
	maps.Copy(request.Header, header)
	request.Header.Set(hopHeader, strconv.Itoa(passedHops(r)+1))
	response, err := n.caller.Client.Do(request)
	if err != nil {
		n.log.Debug("next hop does not answer", "to", next.Name(), "error", err)
		n.reportLost(r, next, passedHops(r))
		n.behaviour.GiveUp(ctx)
		n.write(w, late)
		return
	}
	defer response.Body.Close()
	n.passOn(w, response)
}

// passOn copies the next hop's answer. After the status is sent, it can only cut the connection to report a failure.
func (n *Node) passOn(w http.ResponseWriter, response *http.Response) {
	if response.ContentLength > maxRelayedAnswer {
		n.write(w, bareAnswer(http.StatusInternalServerError, "answer of the next hop is too large"))
		return
	}
	n.writeHead(w, relayedStatus(response.StatusCode), typeNone, response.ContentLength)
	copied, err := io.Copy(w, io.LimitReader(response.Body, maxRelayedAnswer+1))
	if err != nil || copied > maxRelayedAnswer {
		panic(http.ErrAbortHandler)
	}
}

// relayedStatus returns the status with which a relay answers for the next hop's status.
func relayedStatus(status int) int {
	switch status {
	case storage.StatusOK, storage.StatusBadRequest, storage.StatusBadTTL, storage.StatusBadTimestamp,
		storage.StatusWrongSwarm, storage.StatusBadProofOfWork, http.StatusInternalServerError,
		storage.StatusBadGateway, storage.StatusNotReady, storage.StatusTimeout:
		return status
	}
	return http.StatusInternalServerError
}

// serveProxy forwards a proxy request to its target, or serves it if the target is this node (storage-2.0.md section
// 7.5). It has the bounds of one hop of an onion request.
func (n *Node) serveProxy(w http.ResponseWriter, r *http.Request, body []byte) {
	for _, name := range []string{onion.ProxySenderHeader, onion.ProxyTargetHeader} {
		if len(r.Header.Values(name)) == 0 {
			n.write(w, bareAnswer(http.StatusInternalServerError, "Missing field in header : "+name+"\n"))
			return
		}
	}
	view, target := n.members.View(), r.Header.Get(onion.ProxyTargetHeader)
	switch next := view.Peers[target]; {
	case target == n.keys.Name():
		n.serveProxied(w, r, body)
	case next == nil || passedHops(r) > 0:
		n.write(w, proxyTimeout)
	default:
		header := http.Header{
			onion.ProxySenderHeader: r.Header.Values(onion.ProxySenderHeader), onion.ProxyTargetHeader: {target},
		}
		n.forward(w, r, next, onion.ProxyPath, header, body, proxyTimeout)
	}
}

// proxyTimeout is the answer for a target that is unknown or does not answer.
var proxyTimeout = bareAnswer(storage.StatusTimeout, "")

// serveProxied answers a proxy request that is for this node.
func (n *Node) serveProxied(w http.ResponseWriter, r *http.Request, body []byte) {
	request, err := onion.OpenProxy(n.keys.X25519, r.Header.Get(onion.ProxySenderHeader), body)
	if request == nil {
		n.write(w, bareAnswer(storage.StatusBadRequest, onion.TextCiphertext))
		return
	}
	result := bareAnswer(storage.StatusBadRequest, onion.TextJSON)
	if err == nil {
		result = n.storageRPC(r.Context(), request.Payload)
		if request.Pause {
			n.pause(r.Context(), longPollDelay)
		}
	}
	sealed, err := request.SealResponse(n.random, result.status, string(result.body))
	if err != nil {
		n.log.Error("sealing a proxy answer", "error", err)
		n.write(w, bareAnswer(http.StatusInternalServerError, "internal error"))
		return
	}
	n.write(w, answer{status: storage.StatusOK, body: sealed})
}
