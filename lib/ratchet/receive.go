package ratchet

import (
	"cmp"
	"crypto/hmac"
	"fmt"
	"io"
	"slices"

	"sessiontool/lib/x25519"
)

// received is a decoded message with the bytes that its MAC covers.
type received struct {
	WhisperMessage
	body []byte
}

func receive(message []byte) (received, error) {
	parsed, err := ParseWhisperMessage(message)
	if err != nil {
		return received{}, err
	}
	return received{parsed, message[:len(message)-MACSize]}, nil
}

// Decrypt decrypts an encoded WhisperMessage. It reads one ratchet key from random if the message is the first one with
// a new ratchet key of the peer, and nothing otherwise. It returns ErrDuplicate, ErrMAC, ErrTooFarAhead, ErrVersion,
// ErrMalformed or random's error, and then changes nothing.
func (s *Session) Decrypt(random io.Reader, message []byte) ([]byte, error) {
	m, err := receive(message)
	if err != nil {
		return nil, err
	}
	opened, err := s.decrypt(random, m)
	return opened.plaintext, err
}

// opening is a decrypted message and the witness of its message key.
type opening struct {
	plaintext []byte
	witness   Witness
}

// decrypt works on copies until the MAC of the message is verified, so that a forged, damaged or repeated message
// changes nothing.
func (s *Session) decrypt(random io.Reader, m received) (opening, error) {
	i := s.chainOf(m.RatchetKey)
	switch {
	case i < 0:
		return s.decryptWithStep(random, m)
	case m.Counter < s.receiving[i].next:
		return s.decryptSkipped(&s.receiving[i], m)
	case i < len(s.receiving)-1:
		return opening{}, fmt.Errorf("%w: counter %d after the end of its chain", ErrTooFarAhead, m.Counter)
	default:
		return s.decryptAhead(&s.receiving[i], m)
	}
}

// decryptSkipped decrypts a message with a skipped key, after a later message of its chain.
func (s *Session) decryptSkipped(c *receivingChain, m received) (opening, error) {
	i, found := slices.BinarySearchFunc(c.skipped, m.Counter, compareCounter)
	switch {
	case !found && m.Counter < c.dropped:
		return opening{}, fmt.Errorf("%w: counter %d", ErrDropped, m.Counter)
	case !found:
		return opening{}, ErrDuplicate
	}
	opened, err := s.open(&c.skipped[i].messageKey, m)
	if err != nil {
		return opening{}, err
	}
	c.skipped = slices.Delete(c.skipped, i, i+1)
	return opened, nil
}

// decryptAhead decrypts the next message of the current receiving chain, or a later one.
func (s *Session) decryptAhead(c *receivingChain, m received) (opening, error) {
	advanced := c.chain
	skipped, messageKey, err := advanced.advance(s.effort, m.Counter)
	if err != nil {
		return opening{}, err
	}
	opened, err := s.open(&messageKey, m)
	if err != nil {
		clear(skipped)
		return opening{}, err
	}
	c.keep(skipped, m.Counter)
	c.chain = advanced
	s.forget()
	return opened, nil
}

// keep adds the skipped keys between c.next and the counter end.
func (c *receivingChain) keep(skipped []skippedKey, end uint32) {
	if first := end - uint32(len(skipped)); first > c.next {
		c.dropped = first
	}
	c.skipped = append(c.skipped, skipped...)
}

// decryptWithStep decrypts the first message with a new ratchet key of the peer and makes a step of the Diffie-Hellman
// ratchet (Double Ratchet, section 3.5).
func (s *Session) decryptWithStep(random io.Reader, m received) (opening, error) {
	shared, err := s.ratchet.DH(m.RatchetKey)
	if err != nil {
		return opening{}, fmt.Errorf("%w: ratchet key: %w", ErrMalformed, err)
	}
	root, fresh := stepRoot(&s.root, shared)
	skipped, messageKey, err := fresh.advance(s.effort, m.Counter)
	if err != nil {
		return opening{}, err
	}
	opened, err := s.open(&messageKey, m)
	if err != nil {
		clear(skipped)
		return opening{}, err
	}
	step, err := prepareSending(random, root, m.RatchetKey)
	if err != nil {
		return opening{}, err
	}

	s.closeCurrent(m.PreviousCounter)
	begun := receivingChain{ratchetKey: m.RatchetKey}
	begun.keep(skipped, m.Counter)
	begun.chain = fresh
	s.receiving = append(s.receiving, begun)
	s.startSending(step)
	s.pending = nil // the peer's first message to an initiator has a new ratchet key
	s.forget()
	return opened, nil
}

// open verifies the MAC of m in constant time, then decrypts m.
func (s *Session) open(messageKey *key32, m received) (opening, error) {
	keys := deriveMessageKeys(messageKey)
	tag := keys.tag(s.remote, s.local, m.body)
	if !hmac.Equal(tag[:], m.MAC[:]) {
		return opening{}, ErrMAC
	}
	plaintext, err := keys.decrypt(m.Ciphertext)
	return opening{plaintext, Witness{keys.mac, tag}}, err
}

// closeCurrent closes the current receiving chain: it keeps the keys of the messages up to last, which have not
// arrived, and drops the chain key. If the keys cost too much, closeCurrent drops them, too: the peer's next message
// opens all the same.
func (s *Session) closeCurrent(last uint32) {
	if len(s.receiving) == 0 {
		return
	}
	c := &s.receiving[len(s.receiving)-1]
	last = min(last, maxCounter)
	if last >= c.next {
		advanced := c.chain
		if skipped, key, err := advanced.advance(s.effort, last); err == nil {
			c.keep(append(skipped, skippedKey{last, key}), last+1)
		} else {
			c.dropped = last + 1
		}
		c.next = last + 1
	}
	c.key = key32{}
}

// sendingStep is the second half of a step of the Diffie-Hellman ratchet.
type sendingStep struct {
	root    key32
	ratchet x25519.KeyPair
	chain   chain
}

// prepareSending reads the ratchet key of the next sending chain from random and derives the chain.
func prepareSending(random io.Reader, root key32, peer x25519.PublicKey) (sendingStep, error) {
	ratchet, err := x25519.GenerateKey(random)
	if err != nil {
		return sendingStep{}, fmt.Errorf("ratchet key: %w", err)
	}
	shared, err := ratchet.DH(peer)
	if err != nil {
		return sendingStep{}, fmt.Errorf("ratchet key: %w", err)
	}
	next, fresh := stepRoot(&root, shared)
	return sendingStep{next, ratchet, fresh}, nil
}

// startSending replaces the sending chain.
func (s *Session) startSending(step sendingStep) {
	if s.sending.next > 0 {
		s.previousCounter = s.sending.next - 1
	}
	s.root, s.ratchet, s.sending = step.root, step.ratchet, step.chain
}

// forget drops the oldest receiving chains and the oldest skipped keys beyond the limits.
func (s *Session) forget() {
	if surplus := len(s.receiving) - (MaxClosedChains + 1); surplus > 0 {
		s.forgetChains(surplus)
	}
	surplus := s.skippedKeys() - MaxSkippedKeys
	for i := range s.receiving {
		if surplus <= 0 {
			return
		}
		c := &s.receiving[i]
		n := min(surplus, len(c.skipped))
		if n > 0 {
			c.dropped = c.skipped[n-1].counter + 1
		}
		c.skipped = slices.Delete(c.skipped, 0, n)
		surplus -= n
	}
}

// forgetChains drops the n oldest receiving chains, except the newest of them that have skipped keys, up to lateChains.
func (s *Session) forgetChains(n int) {
	late := 0
	for i := n - 1; i >= 0; i-- {
		c := &s.receiving[i]
		if len(c.skipped) > 0 && late < min(s.lateChains, MaxLateChains) {
			late++
			continue
		}
		clear(c.skipped)
		c.skipped = nil
	}
	kept := slices.DeleteFunc(s.receiving[:n], func(c receivingChain) bool { return len(c.skipped) == 0 })
	s.receiving = slices.Delete(s.receiving, len(kept), n)
}

// skippedKeys returns the number of skipped keys of all receiving chains.
func (s *Session) skippedKeys() int {
	total := 0
	for _, c := range s.receiving {
		total += len(c.skipped)
	}
	return total
}

func compareCounter(key skippedKey, counter uint32) int {
	return cmp.Compare(key.counter, counter)
}
