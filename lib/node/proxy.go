package node

import (
	"net/http"

	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
)

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
