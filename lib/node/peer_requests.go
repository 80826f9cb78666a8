package node

import (
	"errors"
	"net/http"

	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/replication"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
)

// peerService answers a verified request of another node. view is the view with which it was verified.
type peerService func(r *http.Request, view *ring.View, from *ring.Peer, body []byte) (answer, error)

// fromPeer serves a request of a listed node that has signed it for this node, path, body and time
// ([peerhttp.Verify]).
func (n *Node) fromPeer(w http.ResponseWriter, r *http.Request, serve peerService) {
	result, err := n.checkPeer(w, r, serve)
	if err != nil {
		result = n.failure(r.Context(), "serving another node", err)
	}
	n.counters.pushes.Add(r.URL.Path, result.status)
	n.write(w, result)
}

func (n *Node) checkPeer(w http.ResponseWriter, r *http.Request, serve peerService) (answer, error) {
	n.storesInFlight.Add(1)
	defer n.storesInFlight.Add(-1)
	view := n.members.View()
	from, err := peerhttp.Verify(r, n.keys.Name(), view, n.now())
	if err != nil {
		return answer{}, peerRefusal(err)
	}
	body, done, err := n.largeBodies.readBody(w, r)
	defer done()
	if errors.Is(err, errBodyTooLarge) {
		return answer{}, refuse(http.StatusRequestEntityTooLarge, "%v\n", err)
	}
	if err != nil {
		return answer{}, err
	}
	if err := peerhttp.VerifyBody(r.Header, body); err != nil {
		return answer{}, peerRefusal(err)
	}
	return serve(r, view, from, body)
}

// peerRefusal returns the refusal that another node gets for an error of verification.
func peerRefusal(err error) error {
	switch {
	case errors.Is(err, peerhttp.ErrUnknownNode):
		return refusal{storage.StatusUnauthorized, "Unknown service node\n"}
	case errors.Is(err, peerhttp.ErrClock):
		return errTimestamp
	case errors.Is(err, peerhttp.ErrSignature):
		return refusal{storage.StatusUnauthorized, "Could not verify batch signature\n"}
	}
	return err
}

// serveReplication serves a replication request of another node.
func (n *Node) serveReplication(r *http.Request, view *ring.View, from *ring.Peer, body []byte) (answer, error) {
	text, err := n.replication.Serve(r.Context(), r.URL.Path, view, from, body)
	if err != nil {
		return answer{}, err
	}
	if r.URL.Path == replication.PushPath {
		return answer{storage.StatusOK, typeJSON, text}, nil
	}
	return answer{storage.StatusOK, typeNone, text}, nil
}
