package ratchet

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"sessiontool/lib/x25519"
	"sessiontool/proto/wirepb"
)

func sampleWhisper() WhisperMessage {
	return WhisperMessage{
		Version:         Version,
		RatchetKey:      x25519.PublicKey{1},
		Counter:         300,
		PreviousCounter: 2,
		Ciphertext:      make([]byte, 32),
		MAC:             [MACSize]byte{8, 7, 6, 5, 4, 3, 2, 1},
	}
}

func samplePreKey() PreKeyWhisperMessage {
	id := uint32(7)
	return PreKeyWhisperMessage{
		Version:         Version,
		RegistrationID:  16383,
		OneTimePrekeyID: &id,
		SignedPrekeyID:  1,
		BaseKey:         x25519.PublicKey{2},
		IdentityKey:     x25519.PublicKey{3},
		Message:         sampleWhisper().Marshal(),
	}
}

// The hand-written encoding agrees with the generated code of whisper.proto.
func TestEncodingAgreesWithProtobuf(t *testing.T) {
	whisper := sampleWhisper()
	serialised := whisper.Marshal()
	var w wirepb.WhisperMessage
	if err := proto.Unmarshal(serialised[1:len(serialised)-MACSize], &w); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w.GetEphemeralKey(), whisper.RatchetKey.Encoded()) || w.GetCounter() != whisper.Counter ||
		w.GetPreviousCounter() != whisper.PreviousCounter || !bytes.Equal(w.GetCiphertext(), whisper.Ciphertext) {
		t.Errorf("WhisperMessage reads as %v", &w)
	}
	prekey := samplePreKey()
	var p wirepb.PreKeyWhisperMessage
	if err := proto.Unmarshal(prekey.Marshal()[1:], &p); err != nil {
		t.Fatal(err)
	}
	if p.GetRegistrationId() != prekey.RegistrationID || p.GetPreKeyId() != *prekey.OneTimePrekeyID ||
		p.GetSignedPreKeyId() != prekey.SignedPrekeyID || !bytes.Equal(p.GetBaseKey(), prekey.BaseKey.Encoded()) ||
		!bytes.Equal(p.GetIdentityKey(), prekey.IdentityKey.Encoded()) || !bytes.Equal(p.GetMessage(), prekey.Message) {
		t.Errorf("PreKeyWhisperMessage reads as %v", &p)
	}

	// Other implementations write the fields in the order of their numbers.
	ordered, err := proto.MarshalOptions{Deterministic: true}.Marshal(&p)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParsePreKeyWhisperMessage(append([]byte{Version}, ordered...))
	if err != nil || !reflect.DeepEqual(parsed, prekey) {
		t.Errorf("another order of fields reads as %+v (%v)", parsed, err)
	}
}

// The high half of the version byte must be at least 3, the low one at most 3 (signal-2020.md section 8.3).
func TestVersions(t *testing.T) {
	for version := range 256 {
		want := version>>4 >= 3 && version&15 <= 3
		whisper, prekey := sampleWhisper().Marshal(), samplePreKey().Marshal()
		whisper[0], prekey[0] = byte(version), byte(version)
		_, whisperErr := ParseWhisperMessage(whisper)
		_, prekeyErr := ParsePreKeyWhisperMessage(prekey)
		for _, err := range []error{whisperErr, prekeyErr} {
			if (err == nil) != want || err != nil && !errors.Is(err, ErrVersion) {
				t.Errorf("version %#02x: %v", version, err)
			}
		}
	}
}

// with returns the protobuf of a message with one field replaced, or without it if value is nil.
func with(t *testing.T, b []byte, number protowire.Number, value []byte) []byte {
	t.Helper()
	var out []byte
	for len(b) > 0 {
		f, n := consumeField(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		if f.number == number {
			out = append(out, value...)
		} else {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}

func TestMalformedWhisperMessages(t *testing.T) {
	good := sampleWhisper().Marshal()
	body, mac := good[1:len(good)-MACSize], good[len(good)-MACSize:]
	frame := func(body []byte) []byte { return slices.Concat([]byte{Version}, body, mac) }
	key := func(b ...byte) []byte { return appendBytes(nil, fieldRatchetKey, b) }
	for name, message := range map[string][]byte{
		"empty":             {},
		"no room for a MAC": good[:MACSize],
		"only a frame":      frame(nil),
		"cut":               good[:len(good)-MACSize-1],
		"too large": frame(with(t, body, fieldCiphertext,
			appendBytes(nil, fieldCiphertext, make([]byte, MaxMessageSize)))),
		"no ratchet key":      frame(with(t, body, fieldRatchetKey, nil)),
		"no counter":          frame(with(t, body, fieldCounter, nil)),
		"no previous counter": frame(with(t, body, fieldPreviousCounter, nil)),
		"no ciphertext":       frame(with(t, body, fieldCiphertext, nil)),
		"empty ciphertext":    frame(with(t, body, fieldCiphertext, appendBytes(nil, fieldCiphertext, nil))),
		"half a block": frame(with(t, body, fieldCiphertext,
			appendBytes(nil, fieldCiphertext, make([]byte, 24)))),
		"key without prefix":    frame(with(t, body, fieldRatchetKey, key(make([]byte, 32)...))),
		"key with other prefix": frame(with(t, body, fieldRatchetKey, key(make([]byte, 33)...))),
		"key as a number":       frame(with(t, body, fieldRatchetKey, appendUint32(nil, fieldRatchetKey, 5))),
		"counter as bytes":      frame(with(t, body, fieldCounter, appendBytes(nil, fieldCounter, []byte{1}))),
		"counter of 33 bits": frame(with(t, body, fieldCounter,
			append(protowire.AppendTag(nil, fieldCounter, protowire.VarintType), 0x80, 0x80, 0x80, 0x80, 0x10))),
	} {
		if _, err := ParseWhisperMessage(message); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseWhisperMessage(frame(append(slices.Clone(body), 0x78, 1))); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
}

func TestMalformedPreKeyMessages(t *testing.T) {
	good := samplePreKey().Marshal()
	body := good[1:]
	frame := func(body []byte) []byte { return append([]byte{Version}, body...) }
	for name, message := range map[string][]byte{
		"empty":        {},
		"only a frame": frame(nil),
		"cut":          good[:len(good)-1],
		"too large": frame(with(t, body, fieldMessage,
			appendBytes(nil, fieldMessage, make([]byte, MaxMessageSize)))),
		"no registration id": frame(with(t, body, fieldRegistrationID, nil)),
		"no signed prekey":   frame(with(t, body, fieldSignedPrekeyID, nil)),
		"no base key":        frame(with(t, body, fieldBaseKey, nil)),
		"no identity key":    frame(with(t, body, fieldIdentityKey, nil)),
		"no message":         frame(with(t, body, fieldMessage, nil)),
		"unused bit set": frame(with(t, body, fieldBaseKey,
			appendPublicKey(nil, fieldBaseKey, x25519.PublicKey{31: 0x80}))),
		"short base key": frame(with(t, body, fieldBaseKey, appendBytes(nil, fieldBaseKey, []byte{5, 1}))),
	} {
		if _, err := ParsePreKeyWhisperMessage(message); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	without, err := ParsePreKeyWhisperMessage(frame(with(t, body, fieldOneTimePrekeyID, nil)))
	if err != nil || without.OneTimePrekeyID != nil {
		t.Errorf("without a one-time prekey: %v, %v", without.OneTimePrekeyID, err)
	}
}

// asClientsWrite reports whether b has exactly the fields of numbers, in this order and in shortest encoding. Fields in
// optional may be absent.
func asClientsWrite(b []byte, numbers []protowire.Number, optional protowire.Number) bool {
	var again []byte
	var order []protowire.Number
	for rest := b; len(rest) > 0; {
		f, n := consumeField(rest)
		switch {
		case n < 0:
			return false
		case f.wireType == protowire.VarintType:
			again = protowire.AppendVarint(protowire.AppendTag(again, f.number, f.wireType), f.varint)
		case f.wireType == protowire.BytesType:
			again = protowire.AppendBytes(protowire.AppendTag(again, f.number, f.wireType), f.bytes)
		}
		order = append(order, f.number)
		rest = rest[n:]
	}
	mandatory := slices.DeleteFunc(slices.Clone(numbers), func(n protowire.Number) bool { return n == optional })
	return bytes.Equal(again, b) && (slices.Equal(order, numbers) || slices.Equal(order, mandatory))
}

func FuzzParseWhisperMessage(f *testing.F) {
	f.Add(sampleWhisper().Marshal())
	f.Add([]byte{Version, 0x08, 0x80, 0x00, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseWhisperMessage(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		encoded := m.Marshal()
		again, err := ParseWhisperMessage(encoded)
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("reads as %+v, then as %+v (%v)", m, again, err)
		}
		ours := asClientsWrite(b[1:len(b)-MACSize], []protowire.Number{1, 2, 3, 4}, 0)
		if ours != bytes.Equal(b, encoded) {
			t.Fatalf("%x becomes %x", b, encoded)
		}
	})
}

func FuzzParsePreKeyWhisperMessage(f *testing.F) {
	f.Add(samplePreKey().Marshal())
	without := samplePreKey()
	without.OneTimePrekeyID = nil
	f.Add(without.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParsePreKeyWhisperMessage(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		encoded := m.Marshal()
		again, err := ParsePreKeyWhisperMessage(encoded)
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("reads as %+v, then as %+v (%v)", m, again, err)
		}
		ours := asClientsWrite(b[1:], []protowire.Number{5, 1, 6, 2, 3, 4}, 1)
		if ours != bytes.Equal(b, encoded) {
			t.Fatalf("%x becomes %x", b, encoded)
		}
	})
}
