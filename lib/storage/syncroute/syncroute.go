// Package syncroute has the two methods of the synchronous route, this project's extension of the storage RPCs
// (sync-route.md). A node without them answers [storage.StatusBadRequest] with [storage.TextNoMethod].
//
// A client that is online polls one node of its swarm with listen. Other clients send messages to that node with
// deliver. A delivered message is never stored: the node holds it in memory until a listener acknowledges it, and no
// longer than the deliverer waits.
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
	// MaxWait bounds the time that a node waits before it answers. Relays give the next hop 10 s.
	MaxWait = 8 * time.Second
	// DefaultWait is the wait of a deliver without wait_ms.
	DefaultWait = 5 * time.Second
	// ListenGrace is the time for which a listener stays registered after an answer to listen.
	ListenGrace = 10 * time.Second

	MaxDeliveries     = 16      // messages in one answer to listen
	MaxDeliveredBytes = 1 << 20 // data of one answer of several messages
	MaxAcks           = 64      // in one listen

	// DeliveryIDSize is the length in bytes of a delivery's and of a listener's id. As text they are lower-case hex.
	DeliveryIDSize = 16
	// AckSize is the length in bytes of an acknowledgement. As text it is base64.
	AckSize = 32
)

// ListenParams requests messages that are delivered to PubKey (66 hex digits), and waits up to WaitMillis (0 to
// [MaxWait]) for one. With 0 the node registers the listener and answers at once. Listener is a random id that stays
// the same in all requests of a listener. One key may have several listeners, and each gets every message. Acks, at
// most [MaxAcks], are for messages of earlier answers. Stop removes the listener.
//
// The signature is Ed25519 by PubkeyEd25519, the other form of PubKey, in base64, over [ListenSignatureText]. Timestamp
// (milliseconds) must be near the node's clock and later than that of the listener's earlier requests. The node refuses
// an older request with [storage.StatusBadTimestamp], and answers a repeated one at once, without messages.
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

// ListenSignatureText returns the text that a [ListenParams] signs (sync-route.md section 4.1). node is the Ed25519 key
// of the receiving node, in lower-case hex, so that a node cannot replay the request at another node. All parts but the
// timestamp have a fixed length, so two requests never share a text.
func ListenSignatureText(timestamp, listener, node string) []byte {
	return []byte(MethodListen + timestamp + listener + node)
}

// Ack is a listener's acknowledgement of the delivery ID. The sender of the message verifies it; the node only forwards
// it.
type Ack struct {
	ID  string `json:"id"`
	Ack string `json:"ack"`
}

// ListenAnswer is the 200 of listen: at most [MaxDeliveries] messages, oldest first. A message is repeated in a later
// answer if it was not acknowledged and its deliverer still waits.
type ListenAnswer struct {
	Messages []Delivery `json:"messages"`
}

// Delivery is a message for a listener. The node chooses ID; Data is that of [DeliverParams].
type Delivery struct {
	ID   string `json:"id"`
	Data string `json:"data"`
}

// DeliverParams sends a message to the listeners of PubKey (66 hex digits), and waits up to WaitMillis (0 to [MaxWait])
// for the acknowledgement. Data is the same as in a store: base64 of at most [storage.MaxDataBytes] characters.
//
// The node answers [storage.StatusNoListener] at once if there is no listener or the last one leaves,
// [storage.StatusTimeout] if no listener acknowledges in time, and [storage.StatusNotReady] if too much is pending.
type DeliverParams struct {
	PubKey     string `json:"pubKey"`
	Data       string `json:"data"`
	WaitMillis int64  `json:"wait_ms"`
}

// DeliverAnswer is the 200 of deliver: the first acknowledgement of a listener.
type DeliverAnswer struct {
	Ack string `json:"ack"`
}

// ParseDeliveries reads a [ListenAnswer]: its first [MaxDeliveries] entries. It skips malformed and too large messages.
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
		err := json.Unmarshal(element, &delivery)
		if err == nil && validID(delivery.ID) && len(delivery.Data) <= storage.MaxDataBytes {
			deliveries = append(deliveries, delivery)
		}
	}
	return deliveries, nil
}

func validID(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == hex.EncodedLen(DeliveryIDSize)
}

// ParseAck reads a [DeliverAnswer].
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
