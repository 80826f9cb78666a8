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
	"sessiontool/lib/rpc"
	"sessiontool/lib/sessionid"
)

// answerOf is how a node answers a storage request that comes directly (version 0) or in an onion that ends there.
func answerOf(t *testing.T, n *Network, i int, version onion.Version, method string, params any) (onion.Response, error) {
	t.Helper()
	payload, err := rpc.NewRequest(method, params)
	if err != nil {
		t.Fatal(err)
	}
	client, info := rpc.NewClient(), n.Nodes()[i]
	defer client.Close()
	if version == 0 {
		answer, err := client.PostNode(t.Context(), info.IP, info.Port, rpc.StoragePath, payload)
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
func listening(n *Network, i int, user sessionid.Keys, wait time.Duration) rpc.ListenParams {
	public := user.Ed25519Public()
	at := lastRequest.Add(max(1, time.Now().UnixMilli()-lastRequest.Load()))
	p := rpc.ListenParams{
		PubKey: user.ID().String(), PubkeyEd25519: hex.EncodeToString(public[:]), WaitMillis: wait.Milliseconds(),
		Timestamp: strconv.FormatInt(at, 10), Listener: strings.Repeat("07", rpc.DeliveryIDSize),
	}
	signature := user.Sign(rpc.ListenSignatureText(p.Timestamp, p.Listener, n.members[i].keys.Name()))
	p.Signature = base64.StdEncoding.EncodeToString(signature[:])
	return p
}

// A fault can be narrowed to one method of the storage RPC, whichever way the request comes.
func TestFaultOfMethod(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 2})
	user := userOf(t, n.Nodes(), n.Nodes()[0].SwarmID)
	setFault(t, n, Fault{Kind: FaultDrop, Requests: rpc.MethodDeliver}, "0")
	for _, version := range everyWay {
		for i, dropped := range []bool{true, false} {
			got, err := answerOf(t, n, i, version, rpc.MethodDeliver, rpc.DeliverParams{PubKey: user.ID().String()})
			if dropped != errors.Is(err, rpc.ErrUnreachable) || !dropped && got.Status != rpc.StatusNobodyListens {
				t.Errorf("node %d, version %d: %v, %v", i, version, got, err)
			}
		}
		for method, params := range map[string]any{
			rpc.MethodListen: listening(n, 0, user, 0), rpc.MethodSwarm: rpc.SwarmParams{PubKey: user.ID().String()},
		} {
			if got, err := answerOf(t, n, 0, version, method, params); err != nil || got.Status != rpc.StatusOK {
				t.Errorf("%s, version %d: %v, %v", method, version, got, err)
			}
		}
	}
}

// The node does what it is asked, and only the answer is lost: here a message arrives, and its deliverer does not hear of it.
func TestFaultDropAnswers(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 1})
	setFault(t, n, Fault{Kind: FaultDropAnswers, Requests: rpc.MethodDeliver})
	for _, version := range everyWay {
		user := userOf(t, n.Nodes(), n.Nodes()[0].SwarmID)
		if got, err := answerOf(t, n, 0, version, rpc.MethodListen, listening(n, 0, user, 0)); err != nil || got.Status != rpc.StatusOK {
			t.Fatal(got, err)
		}
		data := base64.StdEncoding.EncodeToString([]byte(fmt.Sprint("version ", version)))
		lost := make(chan error, 1)
		go func() {
			_, err := answerOf(t, n, 0, version, rpc.MethodDeliver, rpc.DeliverParams{PubKey: user.ID().String(), Data: data, WaitMillis: 1000})
			lost <- err
		}()
		got, err := answerOf(t, n, 0, version, rpc.MethodListen, listening(n, 0, user, rpc.MaxWait))
		if err != nil {
			t.Fatal(err)
		}
		if messages, err := rpc.ParseDeliveries(got.Body); err != nil || len(messages) != 1 || messages[0].Data != data {
			t.Errorf("heard %v, %v", got, err)
		}
		if err := <-lost; !errors.Is(err, rpc.ErrUnreachable) {
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
				lacks := got == onion.Response{Status: rpc.StatusBadRequest, Body: rpc.TextNoMethod + method}
				if err != nil || lacks != slices.Contains(lacking, method) {
					t.Errorf("lacking %v: %s, version %d: %v, %v", lacking, method, version, got, err)
				}
			}
		}
	}
	check()
	setFault(t, n, Fault{Kind: FaultNoMethod})
	check(rpc.MethodListen, rpc.MethodDeliver)
	setFault(t, n, Fault{Kind: FaultNoMethod, Requests: rpc.MethodDeliver})
	check(rpc.MethodDeliver)
	if got, err := answerOf(t, n, 0, 0, rpc.MethodListen, listening(n, 0, user, 0)); err != nil || got.Status != rpc.StatusOK {
		t.Errorf("the other method: %v, %v", got, err)
	}
}
