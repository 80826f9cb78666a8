package account

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"reflect"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/layers"
	"sessiontool/lib/envelope"
	"sessiontool/lib/internal/fields"
	"sessiontool/lib/internal/refbox"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/message"
	"sessiontool/lib/sealedbox"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// keysOf are the keys of a recorded account, whose Ed25519 seed has 32 bytes.
func keysOf(seed []byte) sessionid.Keys {
	digest := sha512.Sum512(seed)
	return sessionid.Keys{
		Ed25519: sessionid.SigningKey(ed25519.NewKeyFromSeed(seed)),
		X25519:  x25519.NewKeyPair(x25519.Clamp(x25519.PrivateKey(digest[:32]))),
	}
}

// libsessionAnswer is what libsession's decoder says of a message.
type libsessionAnswer struct {
	OK          bool        `json:"ok"`
	TimestampMS uint64      `json:"timestamp"`
	Content     vectors.Hex `json:"content"`
	Sender      vectors.Hex `json:"sender_x25519_pub"`
}

// libsessionMessage is a recorded message. Random is what libsession drew; nil in messages that it only read.
type libsessionMessage struct {
	Name        string           `json:"name"`
	Sender      vectors.Hex      `json:"sender_ed25519_seed"`
	Recipient   vectors.Hex      `json:"recipient_ed25519_seed"`
	TimestampMS uint64           `json:"timestamp"`
	Content     vectors.Hex      `json:"content"`
	Padded      vectors.Hex      `json:"padded_content"`
	ProSeed     vectors.Hex      `json:"pro_rotating_seed"`
	Random      []vectors.Hex    `json:"random"`
	Message     vectors.Hex      `json:"message"`
	Answer      libsessionAnswer `json:"answer"`
}

func loadLibsession(t testing.TB) (messages []libsessionMessage) {
	t.Helper()
	var file struct{ Encode, Decode []libsessionMessage }
	vectors.Load(t, "session_envelope_libsession.json", &file)
	return append(file.Encode, file.Decode...)
}

// readV1 reads a session-v1 message down to its content, with no account behind it.
func readV1(recipient sessionid.Keys, data []byte) (envelope.Envelope, sessionid.ID, message.Content, error) {
	env, err := envelope.Unpack(base64.StdEncoding.EncodeToString(data))
	if err != nil {
		return env, sessionid.ID{}, message.Content{}, err
	}
	sender, _, padded, err := layers.Unseal(recipient.X25519, env)
	if err != nil {
		return env, sender, message.Content{}, err
	}
	content, err := message.ParseV1(padded)
	return env, sender, content, err
}

// What libsession reads we read too, with the same content, and what it refuses we refuse.
func TestRecordedLibsessionRead(t *testing.T) {
	w := newWorld(t)
	people := make(map[string]*person)
	for _, recorded := range loadLibsession(t) {
		keys := keysOf(recorded.Recipient)
		env, sender, content, err := readV1(keys, recorded.Message)
		if (err == nil) != recorded.Answer.OK {
			t.Errorf("%s: %v, libsession %v", recorded.Name, err, recorded.Answer)
		}
		if err == nil {
			want, err := message.ParseV1(message.PadV1(recorded.Answer.Content))
			if err != nil || !reflect.DeepEqual(content, want) || env.TimestampMS != recorded.Answer.TimestampMS ||
				sender != sessionid.FromPublicKey(recorded.Answer.Sender.Array32(t)) {
				t.Errorf("%s: read %+v of %s at %d, libsession %+v", recorded.Name, content, sender, env.TimestampMS,
					recorded.Answer)
			}
		}
		bob := people[string(recorded.Recipient)]
		if bob == nil {
			bob = w.person("bob")
			bob.keys = keys
			people[string(recorded.Recipient)] = bob
		}
		event := bob.get(base64.StdEncoding.EncodeToString(recorded.Message))
		if (event.Kind != inbox.EventFailure) != recorded.Answer.OK {
			t.Errorf("%s: the account makes %+v of it, libsession %v", recorded.Name, event, recorded.Answer)
		}
	}
}

// From libsession's random bytes we make libsession's messages. An account with Session Pro signs with its rotating key
// what others sign with a throwaway one.
func TestRecordedLibsessionMade(t *testing.T) {
	for _, recorded := range loadLibsession(t) {
		if len(recorded.Random) == 0 {
			continue
		}
		draws := bytes.Join([][]byte{recorded.Random[0], recorded.ProSeed}, nil)
		if len(recorded.ProSeed) == 0 {
			draws = append(draws, recorded.Random[1]...)
		}
		if padded := message.PadV1(recorded.Content); !bytes.Equal(padded, recorded.Padded) {
			t.Errorf("%s: padded to %x, want %x", recorded.Name, padded, []byte(recorded.Padded))
		}
		to := keysOf(recorded.Recipient).X25519.Public
		data, err := layers.PackBox(bytes.NewReader(draws), keysOf(recorded.Sender), to, recorded.TimestampMS,
			recorded.Content)
		if want := base64.StdEncoding.EncodeToString(recorded.Message); err != nil || data != want {
			t.Errorf("%s: packed %s (%v), want %s", recorded.Name, data, err, want)
		}
	}
}

// FuzzLibsession: what libsession reads, by the rule below, we read.
func FuzzLibsession(f *testing.F) {
	for _, recorded := range loadLibsession(f) {
		f.Add([]byte(recorded.Message), []byte(recorded.Content), []byte("05"), []byte{}, uint64(6))
	}
	alice, bob := keysOf(bytes.Repeat([]byte{1}, 32)), keysOf(bytes.Repeat([]byte{2}, 32))
	f.Add([]byte{8, 1}, message.Text("hi", "", nil).Marshal(), bytes.Repeat([]byte("x"), 66), make([]byte, 64),
		uint64(7))
	f.Fuzz(func(t *testing.T, around, padded, source, signature []byte, kind uint64) {
		check := func(data []byte) {
			if !libsessionReads(bob, data) {
				return
			}
			if _, _, _, err := readV1(bob, data); err != nil {
				t.Fatalf("libsession reads %x, we do not: %v", data, err)
			}
		}
		check(around)
		box, err := sealedbox.Seal(bytes.NewReader(make([]byte, 32)), alice, bob.X25519.Public, padded)
		if err != nil {
			t.Fatal(err)
		}
		body := fields.AppendVarint(nil, 1, kind)
		body = fields.AppendVarint(body, 5, 7)
		if len(source) > 0 {
			body = fields.AppendBytes(body, 2, source)
		}
		if len(signature) > 0 {
			body = fields.AppendBytes(body, 11, signature)
		}
		body = fields.AppendBytes(body, 8, box)
		request := fields.AppendBytes(nil, 3, body)
		check(fields.AppendBytes(nil, 2, request))
		check(append(fields.AppendBytes(nil, 2, request), around...))
		check(fields.AppendBytes(nil, 2, append(request, around...)))
		check(fields.AppendBytes(nil, 2, fields.AppendBytes(nil, 3, append(body, around...))))
	})
}

// The rule by which libsession reads a session-v1 message (session-v1.md section 2.2), written once more with
// none of the code under test. Where a message is unusual in a way that no client writes, such as groups of protobuf or
// fields that come twice with values of different kinds, it may refuse more than libsession does.

// wireField is one field of an encoded message.
type wireField struct {
	number protowire.Number
	kind   protowire.Type
	varint uint64
	bytes  []byte
}

// wireFields splits an encoded message, or returns false.
func wireFields(b []byte) (list []wireField, ok bool) {
	for len(b) > 0 {
		number, kind, size := protowire.ConsumeTag(b)
		if size < 0 || size > 5 {
			return nil, false
		}
		field := wireField{number: number, kind: kind}
		b = b[size:]
		switch kind {
		case protowire.VarintType:
			field.varint, size = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			field.bytes, size = protowire.ConsumeBytes(b)
		case protowire.Fixed32Type:
			_, size = protowire.ConsumeFixed32(b)
		case protowire.Fixed64Type:
			_, size = protowire.ConsumeFixed64(b)
		default:
			return nil, false
		}
		if size < 0 {
			return nil, false
		}
		list, b = append(list, field), b[size:]
	}
	return list, true
}

// last returns the last field of this number and kind.
func last(list []wireField, number protowire.Number, kind protowire.Type) (found wireField, ok bool) {
	for _, field := range list {
		if field.number == number && field.kind == kind {
			found, ok = field, true
		}
	}
	return found, ok
}

// libsessionReads reports whether libsession reads a message for recipient.
func libsessionReads(recipient sessionid.Keys, data []byte) bool {
	outer, ok := wireFields(data)
	if !ok || len(data) > envelope.MaxData {
		return false
	}
	var request []byte // several count as one, whose fields follow each other
	there := false
	for _, field := range outer {
		if field.number == 2 && field.kind == protowire.BytesType {
			request, there = append(request, field.bytes...), true
		}
	}
	inRequest, ok := wireFields(request)
	if !there || !ok {
		return false
	}
	body, there := last(inRequest, 3, protowire.BytesType)
	if !there {
		return false
	}
	inEnvelope, ok := wireFields(body.bytes)
	if !ok {
		return false
	}
	kind, typed := last(inEnvelope, 1, protowire.VarintType)
	_, timed := last(inEnvelope, 5, protowire.VarintType)
	content, there := last(inEnvelope, 8, protowire.BytesType)
	if !typed || !timed || !there || kind.varint != 6 && kind.varint != 7 {
		return false
	}
	if source, there := last(inEnvelope, 2, protowire.BytesType); there && len(source.bytes) != 0 &&
		len(source.bytes) != 66 {
		return false
	}
	if signature, there := last(inEnvelope, 11, protowire.BytesType); there && len(signature.bytes) != 64 {
		return false
	}
	return libsessionOpens(recipient, content.bytes)
}

// libsessionOpens reports whether a sealed box opens, is signed, and has a Content that libsession decodes.
func libsessionOpens(recipient sessionid.Keys, box []byte) bool {
	plain, err := refbox.Open(recipient.X25519.Private, box)
	if err != nil || len(plain) < 96 {
		return false
	}
	padded, public, signature := plain[:len(plain)-96], plain[len(plain)-96:len(plain)-64], plain[len(plain)-64:]
	signed := append(bytes.Clone(plain[:len(plain)-64]), recipient.X25519.Public[:]...)
	if !ed25519.Verify(public, signed, signature) {
		return false
	}
	end := len(padded)
	for end > 0 && padded[end-1] == 0 {
		end--
	}
	if end > 0 && padded[end-1] == 0x80 {
		end--
	}
	return libsessionDecodes(padded[:end])
}

// nested lists the messages within messages that libsession decodes: Content is 0, and the others are numbered as they
// come.
var nested = map[int]map[protowire.Number]int{
	0: {1: 1, 3: 9, 5: 2, 6: 9, 8: 9, 9: 9, 10: 3, 16: 9},
	1: {2: 9, 8: 4, 10: 5, 11: 9, 101: 9, 102: 9, 120: 9}, // DataMessage
	2: {},                                                 // ReceiptMessage
	3: {3: 9},                                             // MessageRequestResponse
	4: {4: 9},                                             // inbox.Quote
	5: {3: 9},                                             // inbox.Preview
	9: {},                                                 // without messages of its own
}

// libsessionDecodes reports whether an encoded Content decodes, with all messages within it.
func libsessionDecodes(content []byte) bool { return decodes(content, 0) }

func decodes(b []byte, message int) bool {
	list, ok := wireFields(b)
	if !ok {
		return false
	}
	for _, field := range list {
		if field.kind != protowire.BytesType {
			continue
		}
		if message == 2 && field.number == 2 {
			return false // packed timestamps, which no client writes
		}
		if inner, there := nested[message][field.number]; there && !decodes(field.bytes, inner) {
			return false
		}
	}
	return true
}
