package envelope

import (
	"encoding/base64"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/proto/wirepb"
)

var alice = sessionid.FromPublicKey(x25519.PublicKey{1, 2, 3})

// oneByte returns the randomness for one call of Pack.
func oneByte() io.Reader { return strings.NewReader("\x07") }

func TestPackAndUnpack(t *testing.T) {
	for _, e := range []Envelope{
		{Kind: ciphertext.Whisper, Source: alice, TimestampMS: 1581400000000, Content: []byte("x")},
		{Kind: ciphertext.PreKeyWhisper, Source: alice, TimestampMS: 1, Content: []byte("x")},
		{Kind: ciphertext.FriendRequest, Source: alice, Content: make([]byte, 1000)},
		{Kind: ciphertext.Sealed, TimestampMS: 1<<64 - 1, Content: []byte{0}},
	} {
		t.Run(e.Kind.String(), func(t *testing.T) {
			data, err := Pack(oneByte(), e)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := Unpack(data); err != nil || !reflect.DeepEqual(got, e) {
				t.Errorf("got %+v, %v, want %+v", got, err, e)
			}
		})
	}
}

func TestPackRefuses(t *testing.T) {
	content := []byte("x")
	for name, test := range map[string]struct {
		envelope Envelope
		want     error
	}{
		"a named group sender":     {Envelope{Kind: ciphertext.Group, Source: alice, Content: content}, ErrSource},
		"a named sealed sender":    {Envelope{Kind: ciphertext.Sealed, Source: alice, Content: content}, ErrSource},
		"a message without sender": {Envelope{Kind: ciphertext.Whisper, Content: content}, ErrSource},
		"nothing to decrypt":       {Envelope{Kind: ciphertext.Sealed}, ErrMalformed},
		"more than a node holds":   {Envelope{Kind: ciphertext.Sealed, Content: make([]byte, MaxData)}, ErrTooLarge},
	} {
		if _, err := Pack(oneByte(), test.envelope); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	e := Envelope{Kind: ciphertext.Sealed, Content: content}
	if _, err := Pack(strings.NewReader(""), e); !errors.Is(err, io.EOF) {
		t.Errorf("no randomness: %v", err)
	}
}

// The data text of the largest content has exactly MaxDataText characters, none of them padding.
func TestLargestEnvelope(t *testing.T) {
	for size := MaxData; ; size-- {
		data, err := Pack(oneByte(), Envelope{Kind: ciphertext.Sealed, Content: make([]byte, size)})
		if errors.Is(err, ErrTooLarge) {
			continue
		}
		if err != nil || len(data) != MaxDataText || strings.HasSuffix(data, "=") {
			t.Fatalf("%d bytes of content make %d characters that end with %q (%v), want %d", size, len(data),
				data[len(data)-1:], err, MaxDataText)
		}
		if _, err := Unpack(data); err != nil {
			t.Fatal(err)
		}
		return
	}
}

// wire is an encoded envelope that the tests change before Unpack.
type wire struct {
	message  *wirepb.WebSocketMessage
	envelope *wirepb.Envelope
}

func (w wire) data(t *testing.T) string {
	t.Helper()
	if w.message.Request != nil {
		w.message.Request.Body = marshal(t, w.envelope)
	}
	return base64.StdEncoding.EncodeToString(marshal(t, w.message))
}

func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newWire returns a valid whisper message of alice. proto.Marshal orders fields by number, not like the clients.
func newWire() wire {
	return wire{
		message: &wirepb.WebSocketMessage{
			Type:    wirepb.WebSocketMessage_REQUEST.Enum(),
			Request: &wirepb.WebSocketRequestMessage{Path: proto.String(path)},
		},
		envelope: &wirepb.Envelope{
			Type:      wirepb.Envelope_CIPHERTEXT.Enum(),
			Source:    proto.String(alice.String()),
			Timestamp: proto.Uint64(5),
			Content:   []byte("x"),
		},
	}
}

func TestUnpackTolerates(t *testing.T) {
	want := Envelope{Kind: ciphertext.Whisper, Source: alice, TimestampMS: 5, Content: []byte("x")}
	sealed := Envelope{Kind: ciphertext.Sealed, TimestampMS: 5, Content: []byte("x")}
	for name, test := range map[string]struct {
		change func(*wire)
		want   Envelope
	}{
		"fields by number": {func(*wire) {}, want},
		"unknown fields": {func(w *wire) {
			w.envelope.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 0x01})
			w.message.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 0x01})
		}, want},
		"fields of servers": {func(w *wire) {
			w.envelope.ServerGuid, w.envelope.ServerTimestamp = proto.String("g"), proto.Uint64(1)
			w.message.Request.Headers = []string{"h"}
		}, want},
		"a source in upper case": {
			func(w *wire) { w.envelope.Source = proto.String(strings.ToUpper(alice.String())) }, want,
		},
		"a response":         {func(w *wire) { w.message.Type = wirepb.WebSocketMessage_RESPONSE.Enum() }, want},
		"a type of tomorrow": {func(w *wire) { w.message.Type = wirepb.WebSocketMessage_Type(9).Enum() }, want},
		"no type":            {func(w *wire) { w.message.Type = nil }, want},
		"another path": {
			func(w *wire) { w.message.Request.Path = proto.String("/api/v1/queue/empty") }, want,
		},
		"no path":            {func(w *wire) { w.message.Request.Path = nil }, want},
		"a sealed sender":    {func(w *wire) { w.envelope.Source, w.envelope.Type = nil, sealedType }, sealed},
		"a source beside it": {func(w *wire) { w.envelope.Type = sealedType }, sealed},
		"an empty source": {
			func(w *wire) { w.envelope.Source, w.envelope.Type = proto.String(""), sealedType }, sealed,
		},
		"any 66 characters": {func(w *wire) {
			w.envelope.Source, w.envelope.Type = proto.String(strings.Repeat("x", 66)), sealedType
		}, sealed},
		"a signature": {func(w *wire) {
			w.envelope.Source, w.envelope.Type, w.envelope.ProSig = nil, sealedType, make([]byte, 64)
		}, sealed},
		"a group's type": {func(w *wire) {
			w.envelope.Source, w.envelope.Type = nil, wirepb.Envelope_MEDIUM_GROUP_CIPHERTEXT.Enum()
		}, Envelope{Kind: ciphertext.Group, TimestampMS: 5, Content: []byte("x")}},
		"a server's receipt": {func(w *wire) {
			w.envelope.Type, w.envelope.Content = wirepb.Envelope_RECEIPT.Enum(), nil
		}, Envelope{Kind: ciphertext.ServerReceipt, Source: alice, TimestampMS: 5}},
		"an envelope of tomorrow": {func(w *wire) {
			w.envelope.Type, w.envelope.Source = wirepb.Envelope_Type(99).Enum(), proto.String("alice")
		}, Envelope{Kind: 99, TimestampMS: 5, Content: []byte("x")}},
	} {
		w := newWire()
		test.change(&w)
		if got, err := Unpack(w.data(t)); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, test.want)
		}
	}
}

var sealedType = wirepb.Envelope_UNIDENTIFIED_SENDER.Enum()

func TestUnpackRefuses(t *testing.T) {
	boxed := func(change func(*wire)) func(*wire) {
		return func(w *wire) {
			w.envelope.Source, w.envelope.Type = nil, sealedType
			change(w)
		}
	}
	for name, test := range map[string]struct {
		change func(*wire)
		want   error
	}{
		"no request":             {func(w *wire) { w.message.Request = nil }, ErrMalformed},
		"an empty body":          {func(w *wire) { w.envelope = &wirepb.Envelope{} }, ErrMalformed},
		"no type":                {func(w *wire) { w.envelope.Type = nil }, ErrMalformed},
		"no timestamp":           {func(w *wire) { w.envelope.Timestamp = nil }, ErrMalformed},
		"no content":             {func(w *wire) { w.envelope.Content = nil }, ErrMalformed},
		"no sealed content":      {boxed(func(w *wire) { w.envelope.Content = nil }), ErrMalformed},
		"no source":              {func(w *wire) { w.envelope.Source = nil }, ErrSource},
		"a source that is no id": {func(w *wire) { w.envelope.Source = proto.String("alice") }, ErrSource},
		"a source of 64": {
			boxed(func(w *wire) { w.envelope.Source = proto.String(alice.String()[2:]) }), ErrSource,
		},
		"a short signature":  {boxed(func(w *wire) { w.envelope.ProSig = make([]byte, 63) }), ErrSource},
		"an empty signature": {boxed(func(w *wire) { w.envelope.ProSig = []byte{} }), ErrSource},
	} {
		w := newWire()
		test.change(&w)
		if got, err := Unpack(w.data(t)); !errors.Is(err, test.want) {
			t.Errorf("%s: got %+v, %v, want %v", name, got, err, test.want)
		}
	}
	valid := newWire().data(t)
	for name, test := range map[string]struct {
		data string
		want error
	}{
		"nothing":         {"", ErrMalformed},
		"no base64":       {"!" + valid[1:], ErrMalformed},
		"no padding":      {strings.TrimRight("QUI=", "="), ErrMalformed},
		"a line break":    {valid + "\n", ErrMalformed},
		"no protobuf":     {"////", ErrMalformed},
		"no body":         {base64.StdEncoding.EncodeToString([]byte{8, 1, 18, 2, 32, 0}), ErrMalformed},
		"v2":              {base64.StdEncoding.EncodeToString([]byte{0, 2, 1}), ErrV2},
		"too long a text": {strings.Repeat("A", MaxDataText+4), ErrTooLarge},
	} {
		if _, err := Unpack(test.data); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	for _, e := range []Envelope{
		{Kind: ciphertext.Whisper, Source: alice, TimestampMS: 1, Content: []byte("x")},
		{Kind: ciphertext.Sealed, Content: []byte("x")},
	} {
		data, err := Pack(oneByte(), e)
		if err != nil {
			f.Fatal(err)
		}
		message, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(message)
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		for _, data := range []string{string(message), base64.StdEncoding.EncodeToString(message)} {
			e, err := Unpack(data)
			if err != nil {
				continue
			}
			packed, err := Pack(oneByte(), e)
			if errors.Is(err, ErrTooLarge) {
				continue // the given text left out what the clients write
			}
			if err != nil {
				t.Fatalf("%+v was unpacked but is not packed: %v", e, err)
			}
			again, err := Unpack(packed)
			if err != nil || !reflect.DeepEqual(again, e) {
				t.Fatalf("%+v became %+v, %v", e, again, err)
			}
		}
	})
}
