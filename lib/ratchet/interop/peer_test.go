package interop

import (
	"context"
	"testing"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/serialize"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/libsignal/state/record"
	stores "go.mau.fi/libsignal/tests"
	"go.mau.fi/libsignal/util/keyhelper"
	"go.mau.fi/libsignal/util/optional"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// peer is a user of libsignal that knows one contact.
type peer struct {
	identity       *identity.KeyPair
	registrationID uint32
	contact        *protocol.SignalAddress
	serializer     *serialize.Serializer
	builder        *session.Builder
	cipher         *session.Cipher
	signed         *record.SignedPreKey
	oneTime        *record.PreKey
	prekeys        *stores.InMemoryPreKey
	sessions       *stores.InMemorySession
}

// newPeer makes a user with a signed prekey and a one-time prekey.
func newPeer(t testing.TB) *peer {
	t.Helper()
	p := &peer{
		registrationID: keyhelper.GenerateRegistrationID(),
		contact:        protocol.NewSignalAddress("contact", 1),
		serializer:     serialize.NewProtoBufSerializer(),
		prekeys:        stores.NewInMemoryPreKey(),
	}
	p.sessions = stores.NewInMemorySession(p.serializer)
	var err error
	if p.identity, err = keyhelper.GenerateIdentityKeyPair(); err != nil {
		t.Fatal(err)
	}
	if p.signed, err = keyhelper.GenerateSignedPreKey(p.identity, 21, p.serializer.SignedPreKeyRecord); err != nil {
		t.Fatal(err)
	}
	oneTime, err := keyhelper.GeneratePreKeys(31, 31, p.serializer.PreKeyRecord)
	if err != nil {
		t.Fatal(err)
	}
	p.oneTime = oneTime[0]
	signedPrekeys := stores.NewInMemorySignedPreKey()
	if err := p.prekeys.StorePreKey(t.Context(), p.oneTime.ID().Value, p.oneTime); err != nil {
		t.Fatal(err)
	}
	if err := signedPrekeys.StoreSignedPreKey(t.Context(), p.signed.ID(), p.signed); err != nil {
		t.Fatal(err)
	}
	p.builder = session.NewBuilder(
		p.sessions,
		p.prekeys,
		signedPrekeys,
		stores.NewInMemoryIdentityKey(p.identity, p.registrationID),
		p.contact,
		p.serializer,
	)
	p.cipher = session.NewCipher(p.builder, p.contact)
	return p
}

func (p *peer) public() x25519.PublicKey { return p.identity.PublicKey().PublicKey().PublicKey() }

// bundle is the peer's bundle in our form.
func (p *peer) bundle(withOneTime bool) x3dh.Bundle {
	b := x3dh.Bundle{
		IdentityKey:    p.public(),
		SignedPrekeyID: p.signed.ID(),
		SignedPrekey:   p.signed.KeyPair().PublicKey().PublicKey(),
		Signature:      p.signed.Signature(),
	}
	if withOneTime {
		public := x25519.PublicKey(p.oneTime.KeyPair().PublicKey().PublicKey())
		b.OneTimePrekeyID, b.OneTimePrekey = p.oneTime.ID().Value, &public
	}
	return b
}

// start begins a session from one of our bundles. It checks the bundle's signature.
func (p *peer) start(ctx context.Context, b x3dh.Bundle) error {
	oneTimeID := optional.NewEmptyUint32()
	var oneTime ecc.ECPublicKeyable
	if b.OneTimePrekey != nil {
		oneTimeID, oneTime = optional.NewOptionalUint32(b.OneTimePrekeyID), ecc.NewDjbECPublicKey(*b.OneTimePrekey)
	}
	return p.builder.ProcessBundle(ctx, prekey.NewBundle(
		0, 1, oneTimeID, b.SignedPrekeyID, oneTime, ecc.NewDjbECPublicKey(b.SignedPrekey), b.Signature,
		identity.NewKey(ecc.NewDjbECPublicKey(b.IdentityKey)),
	))
}

// forget ends the sessions with the contact.
func (p *peer) forget(t testing.TB) {
	t.Helper()
	if err := p.sessions.DeleteSession(t.Context(), p.contact); err != nil {
		t.Fatal(err)
	}
}

func (p *peer) encrypt(ctx context.Context, plaintext []byte) (message, error) {
	m, err := p.cipher.Encrypt(ctx, plaintext)
	if err != nil {
		return message{}, err
	}
	kind := ciphertext.Whisper
	if m.Type() == protocol.PREKEY_TYPE {
		kind = ciphertext.PreKeyWhisper
	}
	return message{kind, m.Serialize()}, nil
}

func (p *peer) decrypt(ctx context.Context, m message) ([]byte, error) {
	if m.kind == ciphertext.PreKeyWhisper {
		parsed, err := protocol.NewPreKeySignalMessageFromBytes(m.bytes, p.serializer.PreKeySignalMessage,
			p.serializer.SignalMessage)
		if err != nil {
			return nil, err
		}
		return p.cipher.DecryptMessage(ctx, parsed)
	}
	parsed, err := protocol.NewSignalMessageFromBytes(m.bytes, p.serializer.SignalMessage)
	if err != nil {
		return nil, err
	}
	return p.cipher.Decrypt(ctx, parsed)
}
