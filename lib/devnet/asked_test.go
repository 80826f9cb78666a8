package devnet

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/storage/syncroute"
)

// answerOf is how a node answers a storage request that comes directly (version 0) or in an onion that ends there.
func answerOf(
	t *testing.T, n *Network, i int, version onion.Version, method string, params any,
) (onion.Response, error) {
	t.Helper()
	payload, err := storage.NewRequest(method, params)
	if err != nil {
		t.Fatal(err)
	}
	client, info := storagehttp.NewClient(), n.Nodes()[i]
	defer client.Close()
	if version == 0 {
		answer, err := client.PostNode(t.Context(), info.IP, info.Port, storage.RPCPath, payload)
		return onion.Response{Status: answer.Status, Body: string(answer.Body)}, err
	}
	target := onion.Hop{Ed25519: n.members[i].keys.Ed25519.Public(), X25519: n.members[i].keys.X25519.Public}
	request, err := onion.Wrap(rand.Reader, version, nil, target, payload)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.PostNode(t.Context(), info.IP, info.Port, version.Path(), request.Body)
	if err != nil {
		return onion.Response{}, err
	}
	response, err := request.OpenResponse(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, nil
}

// everyWay is how a storage request can come.
var everyWay = []onion.Version{0, onion.V1, onion.V2}

// lastRequest is the timestamp of the last request that listening made.
var lastRequest atomic.Int64

// listening makes a signed listen request to node i, later than those before.
func listening(n *Network, i int, user sessionid.Keys, wait time.Duration) syncroute.ListenParams {
	public := user.Ed25519Public()
	at := lastRequest.Add(max(1, time.Now().UnixMilli()-lastRequest.Load()))
	p := syncroute.ListenParams{
		PubKey: user.ID().String(), PubkeyEd25519: hex.EncodeToString(public[:]), WaitMillis: wait.Milliseconds(),
		Timestamp: strconv.FormatInt(at, 10), Listener: strings.Repeat("07", syncroute.DeliveryIDSize),
	}
	signature := user.Sign(syncroute.ListenSignatureText(p.Timestamp, p.Listener, n.members[i].keys.Name()))
	p.Signature = base64.StdEncoding.EncodeToString(signature[:])
	return p
}

// A fault can be narrowed to one method of the storage RPC, whichever way the request comes.
func TestFaultOfMethod(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 2})
	user := userOf(t, n.Nodes(), n.Nodes()[0].SwarmID)
	setFault(t, n, Fault{Kind: FaultDrop, Requests: syncroute.MethodDeliver}, "0")
	for _, version := range everyWay {
		for i, dropped := range []bool{true, false} {
			got, err := answerOf(t, n, i, version, syncroute.MethodDeliver,
				syncroute.DeliverParams{PubKey: user.ID().String()})
			if dropped != errors.Is(err, storagehttp.ErrUnreachable) ||
				!dropped && got.Status != storage.StatusNoListener {
				t.Errorf("node %d, version %d: %v, %v", i, version, got, err)
			}
		}
		for method, params := range map[string]any{
			syncroute.MethodListen: listening(n, 0, user, 0),
			storage.MethodSwarm:    rpc20.SwarmParams{PubKey: user.ID().String()},
		} {
			if got, err := answerOf(t, n, 0, version, method, params); err != nil || got.Status != storage.StatusOK {
				t.Errorf("%s, version %d: %v, %v", method, version, got, err)
			}
		}
	}
}

// The node does what it is asked, and only the answer is lost: here a message arrives, and its deliverer does not hear
// of it.
func TestFaultDropAnswers(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 1})
	setFault(t, n, Fault{Kind: FaultDropAnswers, Requests: syncroute.MethodDeliver})
	for _, version := range everyWay {
		user := userOf(t, n.Nodes(), n.Nodes()[0].SwarmID)
		if got, err := answerOf(t, n, 0, version, syncroute.MethodListen, listening(n, 0, user, 0)); err != nil ||
			got.Status != storage.StatusOK {
			t.Fatal(got, err)
		}
		data := base64.StdEncoding.EncodeToString([]byte(fmt.Sprint("version ", version)))
		lost := make(chan error, 1)
		go func() {
			_, err := answerOf(t, n, 0, version, syncroute.MethodDeliver,
				syncroute.DeliverParams{PubKey: user.ID().String(), Data: data, WaitMillis: 1000})
			lost <- err
		}()
		got, err := answerOf(t, n, 0, version, syncroute.MethodListen, listening(n, 0, user, syncroute.MaxWait))
		if err != nil {
			t.Fatal(err)
		}
		if messages, err := syncroute.ParseDeliveries(got.Body); err != nil || len(messages) != 1 ||
			messages[0].Data != data {
			t.Errorf("heard %v, %v", got, err)
		}
		if err := <-lost; !errors.Is(err, storagehttp.ErrUnreachable) {
			t.Errorf("the deliverer got an answer: %v", err)
		}
	}
}

// A node that lacks the synchronous route answers like one of 2020, and stores and retrieves as ever.
func TestFaultNoMethod(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 1})
	user := userOf(t, n.Nodes(), n.Nodes()[0].SwarmID)
	check := func(lacking ...string) {
		t.Helper()
		for _, version := range everyWay {
			for _, method := range methods {
				got, err := answerOf(t, n, 0, version, method, struct{}{})
				lacks := got == onion.Response{Status: storage.StatusBadRequest, Body: storage.TextNoMethod + method}
				if err != nil || lacks != slices.Contains(lacking, method) {
					t.Errorf("lacking %v: %s, version %d: %v, %v", lacking, method, version, got, err)
				}
			}
		}
	}
	check()
	setFault(t, n, Fault{Kind: FaultNoMethod})
	check(syncroute.MethodListen, syncroute.MethodDeliver)
	setFault(t, n, Fault{Kind: FaultNoMethod, Requests: syncroute.MethodDeliver})
	check(syncroute.MethodDeliver)
	if got, err := answerOf(t, n, 0, 0, syncroute.MethodListen, listening(n, 0, user, 0)); err != nil ||
		got.Status != storage.StatusOK {
		t.Errorf("the other method: %v, %v", got, err)
	}
}
