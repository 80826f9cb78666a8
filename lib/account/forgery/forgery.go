// Package forgery plays a contact who takes no part in a transcript. It makes the contact's messages of protocol signal
// and opens those for it, with the private keys of the account that makes the transcript and the contact's Session ID.
// So protocol signal gives neither side a proof of what the other one wrote (docs/security.md).
package forgery

import (
	"fmt"
	"io"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sealedsender"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// Contact is the pretended contact. It is not safe for concurrent use.
type Contact struct {
	random io.Reader
	own    x25519.KeyPair // of the account
	id     sessionid.ID

	sessions ratchet.SessionRecord // that the contact would have
	sealed   []ratcheted           // for the contact, which has not opened them, oldest first
}

// ratcheted is a message before it is sealed.
type ratcheted struct {
	kind  ciphertext.Kind
	bytes []byte
}

// New pretends to be the contact id towards the account with the key pair own.
func New(random io.Reader, own x25519.KeyPair, id sessionid.ID) *Contact {
	return &Contact{random: random, own: own, id: id}
}

// Start starts the contact's session from the bundle of the account's friend request: with the prekeys' private halves,
// since those of the contact are not known. The registration ID is the contact's.
func (c *Contact) Start(registration uint32, signed x3dh.SignedPrekey, oneTime x3dh.OneTimePrekey) error {
	session, err := ratchet.ForgeInitiator(c.random, c.id.PublicKey(), registration, c.own, signed, &oneTime)
	if err != nil {
		return err
	}
	c.sessions.Add(session)
	return nil
}

// Started reports whether the contact has a session.
func (c *Contact) Started() bool { return c.sessions.Current() != nil }

// Seal makes the store data of a message of the contact, as an account makes those of its own. Stamp is its time in
// milliseconds, for the envelope and for the status that it carries: offline.
func (c *Contact) Seal(content message.Content, stamp int64) (data string, err error) {
	var key message.AckKey
	if _, err := io.ReadFull(c.random, key[:]); err != nil {
		return "", err
	}
	content.Extension = &message.Extension{
		Status: &message.Online{}, StatusTimestampMS: uint64(stamp), AckKey: &key,
	}
	kind, encrypted, err := c.sessions.Encrypt(message.Pad(content.Marshal()))
	if err != nil {
		return "", err
	}
	sealed, err := sealedsender.Forge(c.random, c.id.PublicKey(), c.own,
		sealedsender.Inner{Kind: kind, Sender: c.id, Content: encrypted})
	if err != nil {
		return "", err
	}
	return envelope.Pack(c.random,
		envelope.Envelope{Kind: ciphertext.Sealed, TimestampMS: uint64(stamp), Content: sealed})
}

// Add gives the contact a message of the account, as it was before it was sealed.
func (c *Contact) Add(kind ciphertext.Kind, encrypted []byte) {
	c.sealed = append(c.sealed, ratcheted{kind, encrypted})
}

// Drop takes away what the contact has not opened.
func (c *Contact) Drop() { c.sealed = nil }

// Open opens, as the contact would, the messages that were added.
func (c *Contact) Open() error {
	for _, m := range c.sealed {
		receiver := ratchet.Receiver{Remote: c.own.Public}
		if _, err := c.sessions.Decrypt(c.random, receiver, m.kind, m.bytes); err != nil {
			return fmt.Errorf("the contact's session: %w", err)
		}
	}
	c.sealed = nil
	return nil
}
