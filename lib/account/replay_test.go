package account

import (
	"crypto/aes"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"sessiontool/keystore"
	"sessiontool/lib/account/layers"
	"sessiontool/lib/account/prekeystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/message"
	"sessiontool/lib/sealedsender"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/proto/wirepb"
)

// recordedPrekey is a signed prekey of a recording.
type recordedPrekey struct {
	ID              uint32
	Priv, Signature vectors.Hex
	CreatedAt       int64 `json:"created_at"`
}

// client is a recorded client, played by an account of ours. It draws what the recorded one drew.
type client struct {
	*person
	draws *recordedDraws
}

// newClient makes an account with a recorded identity, and signed prekeys, oldest first.
func (w *world) newClient(name string, identity x25519.PrivateKey, registrationID uint32,
	prekeys []recordedPrekey) *client {
	w.t.Helper()
	draws := &recordedDraws{}
	a := newAccount(w.keystore(), w.environment(name), name)
	a.env.Random, a.env.Original = draws, true
	a.keys.X25519 = x25519.NewKeyPair(identity)
	a.id = identityOf(name, registrationID)
	err := a.store.CreateAccount(w.t.Context(), name, func(tx *keystore.Tx) error {
		var stored []prekeystore.SignedPrekey
		for _, key := range prekeys {
			stored = append([]prekeystore.SignedPrekey{{
				ID: key.ID, Private: key.Priv, Signature: key.Signature, CreatedAt: time.UnixMilli(key.CreatedAt),
			}}, stored...)
		}
		return prekeystore.SaveSigned(tx, stored)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return &client{&person{Account: a, w: w}, draws}
}

func identityOf(displayName string, registrationID uint32) identity {
	return identity{DisplayName: displayName, RegistrationID: registrationID}
}

// recordedDraws are random bytes of a recording, distinguished by their purpose: keys have 32 bytes, initialisation
// vectors 16, and the number of a WebSocket request has one.
type recordedDraws struct {
	queues map[int][][]byte
}

func (d *recordedDraws) add(draws ...[]byte) {
	if d.queues == nil {
		d.queues = make(map[int][][]byte)
	}
	for _, draw := range draws {
		d.queues[len(draw)] = append(d.queues[len(draw)], draw)
	}
}

func (d *recordedDraws) clear() { d.queues = nil }

var errNotRecorded = errors.New("random bytes that the recorded client did not draw")

func (d *recordedDraws) Read(p []byte) (int, error) {
	queue := d.queues[len(p)]
	if len(queue) == 0 {
		return 0, fmt.Errorf("%w: %d", errNotRecorded, len(p))
	}
	d.queues[len(p)] = queue[1:]
	return copy(p, queue[0]), nil
}

// stored is a message that was stored for a recipient, taken apart as far as the recipient's identity key does.
type stored struct {
	data       string
	requestID  byte
	timestamp  int64
	request    bool // a friend request
	ciphertext []byte
	ephemeral  x25519.PublicKey // of a sealed sender
	content    message.Content  // empty as long as it is encrypted
}

// takeApart opens a recorded message. The content is that of the recorded plaintext.
func takeApart(t *testing.T, recipient x25519.KeyPair, data string, padded []byte) stored {
	t.Helper()
	out := unwrap(t, recipient, data)
	var err error
	if out.content, err = layers.ParsePadded(padded); err != nil {
		t.Fatal(err)
	}
	return out
}

func unwrap(t *testing.T, recipient x25519.KeyPair, data string) stored {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	var socket wirepb.WebSocketMessage
	if err := proto.Unmarshal(raw, &socket); err != nil {
		t.Fatal(err)
	}
	env, err := envelope.Unpack(data)
	if err != nil {
		t.Fatal(err)
	}
	out := stored{
		data: data, requestID: byte(socket.GetRequest().GetId()), timestamp: int64(env.TimestampMS),
		request: env.Kind == ciphertext.FriendRequest, ciphertext: env.Content,
	}
	if env.Kind == ciphertext.Sealed {
		inner, err := sealedsender.Open(recipient, env.Content)
		if err != nil {
			t.Fatal(err)
		}
		out.request, out.ciphertext = inner.Kind == ciphertext.FriendRequest, inner.Content
		var wire wirepb.UnidentifiedSenderMessage
		if err := proto.Unmarshal(env.Content[1:], &wire); err != nil {
			t.Fatal(err)
		}
		out.ephemeral = x25519.PublicKey(wire.GetEphemeralPublic()[1:])
	}
	return out
}

// draw gives the account the random bytes that can be read off a stored message.
func (c *client) draw(s stored) {
	c.draws.add([]byte{s.requestID})
	if s.request {
		c.draws.add(s.ciphertext[:aes.BlockSize])
	}
}

// makes lets the account do what made a stored message, and returns its own. Kinds of messages that nothing in our
// programs sends go the way that all messages of a session go.
func (c *client) makes(to sessionid.ID, s stored) string {
	c.w.t.Helper()
	ctx := c.w.t.Context()
	data, _ := s.content.Body.(message.Data)
	draft := Draft{To: to, Text: data.Text, TimestampMS: s.timestamp}
	c.id.DisplayName = data.DisplayName
	switch {
	case s.request:
		return c.sends(c.RequestFriend(ctx, draft, true))
	case isBackground(s.content) && c.waiting(to):
		return c.sends(c.Accept(ctx, to.String()))
	case string(s.content.Marshal()) == string(message.Text(data.Text, data.DisplayName, nil).Marshal()):
		return c.sends(c.Send(ctx, draft))
	}
	out := Outgoing{To: to, TimestampMS: s.timestamp}
	err := c.update(ctx, func(tx *keystore.Tx) error {
		if s.content.Bundle != nil {
			bundle, err := c.maker().Bundle(tx, to)
			if err != nil {
				return err
			}
			s.content.Bundle = &bundle
		}
		return c.sealRatcheted(tx, &out, s.content)
	})
	if err != nil {
		c.w.t.Fatal(err)
	}
	return out.Data
}

// waiting reports whether a request of a contact waits to be accepted.
func (c *client) waiting(contact sessionid.ID) bool {
	found, err := c.Contact(c.w.t.Context(), contact)
	return err == nil && found.State == StateReceived
}

func isBackground(content message.Content) bool {
	_, online := content.Body.(message.Online)
	return online && content.Bundle == nil
}

// countPrekeysFrom gives the next one-time prekey a number.
func (c *client) countPrekeysFrom(t *testing.T, id uint32) {
	t.Helper()
	err := c.store.Update(t.Context(), c.name, func(tx *keystore.Tx) error {
		return tables.Put(tx, tables.Counters, prekeystore.CounterOneTime, id-1)
	})
	if err != nil {
		t.Fatal(err)
	}
}
