// Package syncroute has the two methods of the synchronous route, our extension of the storage RPCs (sync-route.md). No
// other node has them: it answers StatusBadRequest with TextNoMethod of package storage.
//
// A client that is online keeps asking one node of its swarm, with listen. Other clients hand that node messages, with
// deliver. A delivered message is never stored: the node keeps it until a listener acknowledges it, and no longer than
// the deliverer waits.
package syncroute

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sessiontool/lib/storage"
)

// Methods of the synchronous route.
const (
	MethodListen  = "listen"
	MethodDeliver = "deliver"
)

// Limits of listen and deliver (sync-route.md sections 4 and 5).
const (
	// MaxWait bounds how long a node is to wait before it answers. Relays give the next hop 10 s.
	MaxWait = 8 * time.Second
	// DefaultWait is for a deliver that does not say how long.
	DefaultWait = 5 * time.Second
	// ListenGrace is how long somebody counts as listening after an answer to listen.
	ListenGrace = 10 * time.Second

	MaxDeliveries     = 16      // messages in one answer to listen
	MaxDeliveredBytes = 1 << 20 // their data in one answer, unless there is only one
	MaxAcks           = 64      // in one listen

	// DeliveryIDSize is the length in bytes of a delivery's and of a listener's id. As text they are lower-case hex.
	DeliveryIDSize = 16
	// AckSize is the length in bytes of an acknowledgement. As text it is base64.
	AckSize = 32
)

// ListenParams asks for messages that are delivered to PubKey (66 hex digits), waiting up to WaitMillis (0 to MaxWait)
// for one; 0 registers the listener and is answered at once. Listener is a random id that stays the same from one
// request to the next: one key may have several listeners, and each gets every message. Acks, at most MaxAcks, are for
// messages of earlier answers. With Stop the listener leaves.
//
// The signature is Ed25519 by PubkeyEd25519, the other form of PubKey, in base64, over ListenSignatureText. Timestamp
// (milliseconds) must be near the node's clock and later than that of the listener's earlier requests: an older request
// is refused with [storage.StatusBadTimestamp], and one that is repeated is answered at once, without messages.
type ListenParams struct {
	PubKey        string `json:"pubKey"`
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	Timestamp     string `json:"timestamp"`
	Signature     string `json:"signature"`
	Listener      string `json:"listener"`
	WaitMillis    int64  `json:"wait_ms"`
	Acks          []Ack  `json:"acks,omitempty"`
	Stop          bool   `json:"stop,omitempty"`
}

// ListenSignatureText returns what ListenParams.Signature signs (sync-route.md section 4.1). It names the node that is
// asked by its Ed25519 key, in lower-case hex, so that one node cannot listen at another with what it was sent. All but
// the timestamp have a fixed length, so two requests never share a text.
func ListenSignatureText(timestamp, listener, node string) []byte {
	return []byte(MethodListen + timestamp + listener + node)
}

// Ack is a listener's acknowledgement of the delivery ID. What it proves is between the two who exchange messages; the
// node only passes it on.
type Ack struct {
	ID  string `json:"id"`
	Ack string `json:"ack"`
}

// ListenAnswer is the 200 of listen: at most MaxDeliveries messages, oldest first. A message is there again in a later
// answer if it was not acknowledged and its deliverer still waits.
type ListenAnswer struct {
	Messages []Delivery `json:"messages"`
}

// Delivery is a message on its way to a listener. ID is the node's own; Data is what was delivered.
type Delivery struct {
	ID   string `json:"id"`
	Data string `json:"data"`
}

// DeliverParams hands a message to whoever listens for PubKey (66 hex digits), and waits up to WaitMillis (0 to
// MaxWait) for the acknowledgement. Data is what a store would have, base64 of at most [storage.MaxDataBytes]
// characters.
//
// [storage.StatusNoListener] is the answer at once when there is no listener or the last one leaves,
// [storage.StatusTimeout] when no listener acknowledged in time, and [storage.StatusNotReady] when too much is pending.
type DeliverParams struct {
	PubKey     string `json:"pubKey"`
	Data       string `json:"data"`
	WaitMillis int64  `json:"wait_ms"`
}

// DeliverAnswer is the 200 of deliver: the first acknowledgement of a listener.
type DeliverAnswer struct {
	Ack string `json:"ack"`
}

// ParseDeliveries reads a ListenAnswer: the first MaxDeliveries of it, without entries that are no message or too
// large for one.
func ParseDeliveries(body string) ([]Delivery, error) {
	var answer struct {
		Messages json.RawMessage `json:"messages"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("answer is not a list of deliveries: %w", err)
	}
	elements, err := storage.Elements(answer.Messages, MaxDeliveries)
	if err != nil {
		return nil, fmt.Errorf("answer is not a list of deliveries: %w", err)
	}
	var deliveries []Delivery
	for _, element := range elements {
		var delivery Delivery
		if json.Unmarshal(element, &delivery) == nil && validID(delivery.ID) && len(delivery.Data) <= storage.MaxDataBytes {
			deliveries = append(deliveries, delivery)
		}
	}
	return deliveries, nil
}

func validID(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == hex.EncodedLen(DeliveryIDSize)
}

// ParseAck reads a DeliverAnswer.
func ParseAck(body string) (ack [AckSize]byte, err error) {
	var answer DeliverAnswer
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return ack, fmt.Errorf("answer is no acknowledgement: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(answer.Ack)
	if err != nil || len(raw) != AckSize {
		return ack, errors.New("answer is no acknowledgement")
	}
	return [AckSize]byte(raw), nil
}
