package account

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"filippo.io/edwards25519"

	"sessiontool/lib/internal/refbox"
)

// This file reads session-v1 messages as they are specified (session-v1.md section 2), from the data of a store
// request to the text, with none of the packages that make them.

// tlv is one protobuf message: by field number, the values that it has, varints as 8 little-endian bytes.
type tlv map[uint64][][]byte

func readTLV(t *testing.T, data []byte) tlv {
	t.Helper()
	fields := make(tlv)
	for len(data) > 0 {
		tag, n := binary.Uvarint(data)
		value, m := binary.Uvarint(data[max(n, 0):])
		if n <= 0 || m <= 0 {
			t.Fatalf("not protobuf: %x", data)
		}
		data = data[n+m:]
		switch field := tag >> 3; tag & 7 {
		case 0:
			fields[field] = append(fields[field], binary.LittleEndian.AppendUint64(nil, value))
		case 2:
			if value > uint64(len(data)) {
				t.Fatalf("field %d is cut", field)
			}
			fields[field], data = append(fields[field], data[:value]), data[value:]
		default:
			t.Fatalf("field %d is of a kind that nobody uses", field)
		}
	}
	return fields
}

func (f tlv) bytes(field uint64) []byte {
	if len(f[field]) != 1 {
		return nil
	}
	return f[field][0]
}

func (f tlv) number(field uint64) uint64 {
	if value := f.bytes(field); len(value) == 8 {
		return binary.LittleEndian.Uint64(value)
	}
	return 0
}

// published is what a reader of the published format finds in store data.
type published struct {
	timestamp uint64
	sender    string // Session ID
	content   tlv
}

func readPublished(t *testing.T, recipient [32]byte, data string) published {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	socket := readTLV(t, raw)
	request := readTLV(t, socket.bytes(2))
	if verb, path := request.bytes(1), request.bytes(2); socket.number(1) != 1 || verb == nil || path == nil ||
		len(verb)+len(path) > 0 {
		t.Errorf("the request is %q %q, type %d", verb, path, socket.number(1))
	}
	env := readTLV(t, request.bytes(3))
	if env.number(1) != 6 || env.number(7) != 1 || len(env.bytes(11)) != 64 || len(env) != 5 {
		t.Errorf("the envelope is of type %d and has %d fields: not type, device, timestamp, content and signature",
			env.number(1), len(env))
	}

	private, err := ecdh.X25519().NewPrivateKey(recipient[:])
	if err != nil {
		t.Fatal(err)
	}
	plaintext, err := refbox.Open(recipient, env.bytes(8))
	if err != nil || len(plaintext) < 96 {
		t.Fatalf("the box holds %d bytes, %v", len(plaintext), err)
	}
	padded, public, signature := plaintext[:len(plaintext)-96], plaintext[len(plaintext)-96:len(plaintext)-64],
		plaintext[len(plaintext)-64:]
	signed := bytes.Join([][]byte{padded, public, private.PublicKey().Bytes()}, nil)
	if !ed25519.Verify(public, signed, signature) {
		t.Error("the signature does not verify")
	}
	point, err := new(edwards25519.Point).SetBytes(public)
	if err != nil {
		t.Fatal(err)
	}
	if len(padded)%160 != 0 {
		t.Errorf("padded to %d bytes", len(padded))
	}
	content, ok := bytes.CutSuffix(bytes.TrimRight(padded, "\x00"), []byte{0x80})
	if !ok {
		t.Error("the padding has no end")
	}
	return published{env.number(5), "05" + hex.EncodeToString(point.BytesMontgomery()), readTLV(t, content)}
}

// What an account sends is what the published format says, whatever the text.
func TestOursByThePublishedFormat(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	texts := []string{"x", "žluťoučký kůň 🐎", "multi\nline", string(bytes.Repeat([]byte("long "), 5000))}
	for i, text := range texts {
		out, err := alice.Send(t.Context(), draft28(bob, text))
		if err != nil {
			t.Fatal(err)
		}
		got := readPublished(t, bob.keys.X25519.Private, out.Data)
		data := readTLV(t, got.content.bytes(1))
		name := readTLV(t, data.bytes(101)).bytes(1)
		if got.sender != alice.ID().String() || string(data.bytes(1)) != text || string(name) != "alice" {
			t.Errorf("%q of %s reads as %q of %q, %s", text, alice.ID(), data.bytes(1), name, got.sender)
		}
		// Texts of one millisecond get one each, since clients tell texts of a sender apart by their timestamps.
		if now := uint64(w.now.UnixMilli()) + uint64(i); got.timestamp != now || got.content.number(15) != now ||
			uint64(out.TimestampMS) != now {
			t.Errorf("the timestamps are %d outside and %d inside, want %d", got.timestamp, got.content.number(15), now)
		}
	}
	bob.get(alice.writes(bob, "hi"))
	out, err := bob.Accept(t.Context(), alice.ID().String())
	if err != nil {
		t.Fatal(err)
	}
	response := readTLV(t, readPublished(t, alice.keys.X25519.Private, out.Data).content.bytes(10))
	if response.number(1) != 1 || string(readTLV(t, response.bytes(3)).bytes(1)) != "bob" {
		t.Errorf("an approval reads as %v", response)
	}
}
