package account

import (
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/message"
	"sessiontool/lib/x3dh"
	"sessiontool/lib/xeddsa"
)

// This file makes messages that an account does not make by itself, but other clients or attackers do.

// bundle is the one that p gives to other.
func (p *person) bundle(other *person) x3dh.Bundle {
	p.w.t.Helper()
	bundle, err := p.Bundle(p.w.t.Context(), other.ID())
	if err != nil {
		p.w.t.Fatal(err)
	}
	return bundle
}

// requestWith makes a friend request that carries any bundle, and remembers nothing of it.
func (p *person) requestWith(to *person, bundle x3dh.Bundle) string {
	p.w.t.Helper()
	padded := message.Pad(message.FriendRequest("hi", p.name, nil, bundle).Marshal())
	encrypted, err := friendrequest.Encrypt(p.w.random, p.keys.X25519, to.ID().PublicKey(), padded)
	out := Outgoing{To: to.ID()}
	if err == nil {
		err = p.wrap(&out, ciphertext.FriendRequest, encrypted)
	}
	if err != nil {
		p.w.t.Fatal(err)
	}
	return out.Data
}

// startsWith starts a session from any bundle and says something in it.
func (p *person) startsWith(to *person, bundle x3dh.Bundle, content message.Content) string {
	p.w.t.Helper()
	err := p.update(p.w.t.Context(), func(tx *keystore.Tx) error { return p.startSession(tx, to.ID(), bundle) })
	if err != nil {
		p.w.t.Fatal(err)
	}
	return p.puts(to, content)
}

// puts says anything in the session that there is.
func (p *person) puts(to *person, content message.Content) string {
	p.w.t.Helper()
	out := Outgoing{To: to.ID()}
	err := p.update(p.w.t.Context(), func(tx *keystore.Tx) error { return p.sealRatcheted(tx, &out, content) })
	if err != nil {
		p.w.t.Fatal(err)
	}
	return out.Data
}

// signed signs the bundle's signed prekey as p.
func (p *person) signed(bundle x3dh.Bundle) x3dh.Bundle {
	p.w.t.Helper()
	signature, err := xeddsa.Sign(p.w.random, p.keys.X25519.Private, bundle.SignedPrekey.Encoded())
	if err != nil {
		p.w.t.Fatal(err)
	}
	bundle.Signature = signature
	return bundle
}

// resets asks other for a new session.
func (p *person) resets(other *person) string {
	return p.puts(other, message.Reset(p.bundle(other)))
}

func (w *world) pack(env envelope.Envelope) string {
	w.t.Helper()
	data, err := envelope.Pack(w.random, env)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

// repack returns a message as a node may change it: with another timestamp, since the node cannot open it.
func (w *world) repack(data string, at time.Time) string {
	w.t.Helper()
	env, err := envelope.Unpack(data)
	if err != nil {
		w.t.Fatal(err)
	}
	env.TimestampMS = uint64(at.UnixMilli())
	return w.pack(env)
}
