package message

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/internal/fields"
	"sessiontool/lib/sealedsender"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
	"sessiontool/proto/wirepb"
)

// testRandom returns a source of bytes that is the same in every run and differs from test to test.
func testRandom(t testing.TB) io.Reader {
	var seed [32]byte
	copy(seed[:], t.Name())
	return rand.NewChaCha8(seed)
}

// testBundle returns a well-formed bundle. The tests do not use its keys.
func testBundle() x3dh.Bundle {
	return x3dh.Bundle{
		IdentityKey:     x25519.PublicKey{1},
		SignedPrekeyID:  2,
		SignedPrekey:    x25519.PublicKey{3},
		Signature:       [x3dh.SignatureSize]byte{4},
		OneTimePrekeyID: 5,
		OneTimePrekey:   &x25519.PublicKey{6},
	}
}

func TestEveryKindBothWays(t *testing.T) {
	bundle := testBundle()
	bundleWithoutOneTime := testBundle()
	bundleWithoutOneTime.OneTimePrekeyID, bundleWithoutOneTime.OneTimePrekey = 0, nil
	text := Text("žluťoučký kůň 🐎", "Ålice", []byte("a key"))
	extended := text
	extended.Extension = &Extension{
		Status:            &Online{Reachable: true, Address: "node.snode", Port: 22021},
		StatusTimestampMS: 1<<64 - 1,
		AckKey:            &AckKey{1, 31: 2},
	}
	for name, content := range map[string]Content{
		"text":                   text,
		"extended text":          extended,
		"text of one not online": {Body: Data{Text: "x"}, Extension: &Extension{Status: &Online{}}},
		"text to acknowledge":    {Body: Data{Text: "x"}, Extension: &Extension{AckKey: &AckKey{}}},
		"empty extension":        {Body: Data{Text: "x"}, Extension: &Extension{}},
		"heard nothing yet":      {Body: Data{Text: "x"}, Extension: &Extension{Heard: &Heard{Chain: [8]byte{1}}}},
		"heard a reused key": {Body: Data{Text: "x"},
			Extension: &Extension{Heard: &Heard{Chain: [8]byte{1, 2}, Next: 1 << 31, Reused: true}}},
		"empty text":            Text("", "", nil),
		"friend request":        FriendRequest("hello", "Alice", nil, bundle),
		"reset":                 Reset(bundle),
		"online":                OnlineStatus("node.snode", 65535),
		"background":            Background(),
		"delivery":              Receipt(Delivery, 1, 1<<64-1),
		"read":                  Receipt(Read),
		"typing":                {Body: Typing{TimestampMS: 1}},
		"typing no more":        {Body: Typing{TimestampMS: 1, Stopped: true}},
		"null":                  {Body: Null{Padding: []byte{0}}},
		"session request":       {Body: Null{}, Bundle: &bundle},
		"bundle alone":          {Bundle: &bundleWithoutOneTime},
		"sync":                  {Body: Sync},
		"call":                  {Body: Call{Step: CallOffer, ID: "1"}},
		"pairing":               {Body: Pairing},
		"text of session-v1":    TextV1("hello", "Alice", 1795390470793),
		"approval":              Approval("Alice", 2),
		"approval without name": Approval("", 2),
		"refusal":               {Body: Response{}},
		"unsend":                {Body: Unsend{TimestampMS: 1, Author: "05ab"}, SigTimestampMS: 2},
		"data extraction":       {Body: Extraction{Kind: Screenshot, TimestampMS: 1}},
		"everything of a text": {Body: Data{
			Text: "x", DisplayName: "y", ProfileKey: []byte("z"), TimestampMS: 1, Flags: ExpirationTimerUpdate,
			ExpireTimerSeconds: 60, Quote: &Quote{TimestampMS: 2, Author: "a", Text: "q"},
			Previews: []Preview{{URL: "https://example.org", Title: "t"}, {}}, SyncTarget: "05ab",
			Reaction: &Reaction{TimestampMS: 3, Author: "a", Emoji: "e", Remove: true},
		}, Bundle: &bundle},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(content.Marshal())
			if err != nil || !reflect.DeepEqual(got, content) {
				t.Errorf("got %+v, %v, want %+v", got, err, content)
			}
			if unpadded, err := Unpad(Pad(content.Marshal())); err != nil || !bytes.Equal(unpadded, content.Marshal()) {
				t.Errorf("padding: %x, %v", unpadded, err)
			}
		})
	}
}

// Of several bodies, clients act on the first of this list (signal-2020.md section 4.2).
func TestPrecedence(t *testing.T) {
	wire := &wirepb.Content{
		LokiAddressMessage:   &wirepb.LokiAddressMessage{Type: wirepb.LokiAddressMessage_HOST_UNREACHABLE.Enum()},
		PairingAuthorisation: &wirepb.PairingAuthorisationMessage{},
		SyncMessage:          &wirepb.SyncMessage{},
		DataMessage:          &wirepb.DataMessage{},
		NullMessage:          &wirepb.NullMessage{},
		CallMessage:          &wirepb.CallMessage{},
		ReceiptMessage:       &wirepb.ReceiptMessage{},
		TypingMessage:        &wirepb.TypingMessage{},

		DataExtractionNotification: &wirepb.DataExtractionNotification{},
		UnsendRequest:              &wirepb.UnsendRequest{},
		MessageRequestResponse:     &wirepb.MessageRequestResponse{},
	}
	for _, step := range []struct {
		want   string
		remove func()
	}{
		{"online", func() { wire.LokiAddressMessage = nil }},
		{"pairing", func() { wire.PairingAuthorisation = nil }},
		{"sync", func() { wire.SyncMessage = nil }},
		{"data", func() { wire.DataMessage = nil }},
		{"null", func() { wire.NullMessage = nil }},
		{"call", func() { wire.CallMessage = nil }},
		{"receipts", func() { wire.ReceiptMessage = nil }},
		{"typing", func() { wire.TypingMessage = nil }},
		{"data_extraction", func() { wire.DataExtractionNotification = nil }},
		{"unsend", func() { wire.UnsendRequest = nil }},
		{"message_request_response", func() { wire.MessageRequestResponse = nil }},
	} {
		content, err := Parse(marshal(t, wire))
		if err != nil || content.Body.Name() != step.want {
			t.Errorf("got %+v, %v, want %s", content.Body, err, step.want)
		}
		step.remove()
	}
	if _, err := Parse(marshal(t, wire)); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing left: %v", err)
	}
}

func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Parse counts the parts that it does not decode, so that a reader learns of them.
func TestPartsThatAreOnlyCounted(t *testing.T) {
	content, err := Parse(marshal(t, &wirepb.Content{DataMessage: &wirepb.DataMessage{
		Attachments:     [][]byte{{}, {}},
		Contact:         [][]byte{{}},
		Group:           []byte{},
		GroupInvitation: &wirepb.DataMessage_GroupInvitation{},
	}}))
	want := Data{Attachments: 2, Contacts: 1, Group: true, Invitation: true}
	if err != nil || !reflect.DeepEqual(content.Body, want) {
		t.Errorf("got %+v, %v, want %+v", content.Body, err, want)
	}
}

// Clients of session-v1 write the timer beside the body, clients of 2020 inside a Data.
func TestTimers(t *testing.T) {
	seconds := proto.Uint32(60)
	text := func(timer *uint32) *wirepb.DataMessage {
		return &wirepb.DataMessage{Body: proto.String("hi"), ExpireTimer: timer}
	}
	for name, test := range map[string]struct {
		wire *wirepb.Content
		want Timer
	}{
		"none": {&wirepb.Content{DataMessage: text(nil)}, Timer{}},
		"after read": {&wirepb.Content{DataMessage: text(nil), ExpirationTimer: seconds,
			ExpirationType: wirepb.Content_DELETE_AFTER_READ.Enum()}, Timer{Seconds: 60}},
		"after send": {&wirepb.Content{DataMessage: text(nil), ExpirationTimer: seconds,
			ExpirationType: wirepb.Content_DELETE_AFTER_SEND.Enum()}, Timer{60, true}},
		"unknown type": {&wirepb.Content{DataMessage: text(nil), ExpirationTimer: seconds}, Timer{Seconds: 60}},
		"of 2020":      {&wirepb.Content{DataMessage: text(seconds)}, Timer{Seconds: 60}},
		"both": {&wirepb.Content{DataMessage: text(proto.Uint32(5)), ExpirationTimer: seconds,
			ExpirationType: wirepb.Content_DELETE_AFTER_SEND.Enum()}, Timer{60, true}},
	} {
		content, err := Parse(marshal(t, test.wire))
		if err != nil || content.Timer() != test.want {
			t.Errorf("%s: %+v, %v, want %+v", name, content.Timer(), err, test.want)
		}
	}
	// A recorded value, which verifies the field numbers: varints 2 and 60 in fields 12 and 13.
	content, err := Parse([]byte{0x0a, 0x04, 0x0a, 0x02, 'h', 'i', 0x60, 0x02, 0x68, 60})
	if err != nil || content.Timer() != (Timer{60, true}) {
		t.Errorf("got %+v, %v", content, err)
	}
}

func TestParseCutsLongNames(t *testing.T) {
	content, err := Parse(Text("", strings.Repeat("é", MaxDisplayNameBytes)+"x", nil).Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("é", MaxDisplayNameBytes/2); content.Body.(Data).DisplayName != want {
		t.Errorf("got %q", content.Body.(Data).DisplayName)
	}
	if got := cutName("x" + strings.Repeat("é", MaxDisplayNameBytes)); len(got) != MaxDisplayNameBytes-1 ||
		CheckDisplayName(got) != nil {
		t.Errorf("cut inside a character: %q", got)
	}
}

// An address is valid only in a status that is reachable.
func TestUnreachableHasNoAddress(t *testing.T) {
	for name, kind := range map[string]*wirepb.LokiAddressMessage_Type{
		"unreachable": wirepb.LokiAddressMessage_HOST_UNREACHABLE.Enum(),
		"unsaid":      nil,
		"unknown":     wirepb.LokiAddressMessage_Type(7).Enum(),
	} {
		content, err := Parse(marshal(t, &wirepb.Content{LokiAddressMessage: &wirepb.LokiAddressMessage{
			P2PAddress: proto.String("a"), P2PPort: proto.Uint32(1), Type: kind,
		}}))
		if err != nil || content.Body != (Online{}) {
			t.Errorf("%s: %+v, %v", name, content.Body, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	// with returns a text with one more part.
	with := func(field protowire.Number, part []byte) []byte {
		return fields.AppendBytes(Text("x", "", nil).Marshal(), field, part)
	}
	extended := func(field protowire.Number, part []byte) []byte {
		return with(fieldExtension, fields.AppendBytes(nil, field, part))
	}
	type bundle = *wirepb.PreKeyBundleMessage
	changed := func(change func(bundle)) []byte {
		original, wire := testBundle(), &wirepb.Content{}
		if err := proto.Unmarshal(Content{Bundle: &original}.Marshal(), wire); err != nil {
			t.Fatal(err)
		}
		change(wire.PreKeyBundleMessage)
		return marshal(t, wire)
	}
	for name, test := range map[string]struct {
		content []byte
		want    error
	}{
		"nothing":                       {nil, ErrEmpty},
		"only what nobody knows":        {[]byte{0xf8, 0x07, 0x01}, ErrEmpty},
		"no protobuf":                   {[]byte{0xff}, ErrMalformed},
		"status that is no protobuf":    {extended(fieldStatus, []byte{0xff}), ErrMalformed},
		"short acknowledgement key":     {extended(fieldAckKey, make([]byte, 31)), ErrMalformed},
		"empty acknowledgement key":     {extended(fieldAckKey, nil), ErrMalformed},
		"extension alone":               {Content{Extension: &Extension{AckKey: &AckKey{}}}.Marshal(), ErrEmpty},
		"bundle of nothing":             {with(fieldBundle, nil), ErrMalformed},
		"bundle without identity":       {changed(func(b bundle) { b.IdentityKey = nil }), ErrMalformed},
		"bundle with a bare key":        {changed(func(b bundle) { b.SignedKey = b.SignedKey[1:] }), ErrMalformed},
		"bundle without key number":     {changed(func(b bundle) { b.SignedKeyId = nil }), ErrMalformed},
		"bundle with half a signature":  {changed(func(b bundle) { b.Signature = b.Signature[:32] }), ErrMalformed},
		"bundle with a short prekey":    {changed(func(b bundle) { b.PreKey = []byte{5} }), ErrMalformed},
		"bundle with a nameless prekey": {changed(func(b bundle) { b.PreKeyId = nil }), ErrMalformed},
	} {
		if content, err := Parse(test.content); !errors.Is(err, test.want) {
			t.Errorf("%s: got %+v, %v, want %v", name, content, err, test.want)
		}
	}
}

// A message with an unknown flag is kept, with and without a known flag.
func TestFlagsOfTomorrow(t *testing.T) {
	for flags, want := range map[Flags]string{EndSession | 1<<20: "0x100000+end_session", 8: "0x8"} {
		content, err := Parse(Content{Body: Data{Flags: flags}}.Marshal())
		if data, ok := content.Body.(Data); err != nil || !ok || data.Flags.String() != want {
			t.Errorf("got %+v, %v, want the flags %s", content, err, want)
		}
	}
}

// Parse replaces invalid UTF-8 and drops an invalid address. Real clients check neither.
func TestParseTolerates(t *testing.T) {
	const bad = "\uFFFD"
	with := func(body Body) Content { return Content{Body: body} }
	long := strings.Repeat("x", MaxAddressBytes+1)
	for name, test := range map[string]struct {
		given, want Body
	}{
		"text":          {Data{Text: "a\xff"}, Data{Text: "a" + bad}},
		"name":          {Data{DisplayName: "\xff"}, Data{DisplayName: bad}},
		"quote":         {Data{Quote: &Quote{Text: "\xff"}}, Data{Quote: &Quote{Text: bad}}},
		"quoted author": {Data{Quote: &Quote{Author: "\xff"}}, Data{Quote: &Quote{Author: bad}}},
		"emoji":         {Data{Reaction: &Reaction{Emoji: "\xff"}}, Data{Reaction: &Reaction{Emoji: bad}}},
		"author":        {Unsend{Author: "\xff"}, Unsend{Author: bad}},
		"address":       {Online{Reachable: true, Address: "\xff", Port: 1}, Online{}},
		"long address":  {Online{Reachable: true, Address: long, Port: 1}, Online{}},
		"receipts":      {Receipts{TimestampsMS: make([]uint64, 10000)}, Receipts{TimestampsMS: make([]uint64, 10000)}},
	} {
		content, err := Parse(with(test.given).Marshal())
		if err != nil || !reflect.DeepEqual(content.Body, test.want) {
			t.Errorf("%s: %+v, %v", name, content.Body, err)
		}
	}
}

// ParseV1 skips a field that libsession does not know, even a malformed field of 2020. A field that libsession knows
// must decode.
func TestParseV1(t *testing.T) {
	text := TextV1("hi", "", 7).Marshal()
	beside := func(field protowire.Number, part []byte) []byte {
		return fields.AppendBytes(bytes.Clone(text), field, part)
	}
	want := Content{Body: Data{Text: "hi"}, SigTimestampMS: 7}
	for name, b := range map[string][]byte{
		"padded":                    PadV1(text),
		"padded as in 2020":         Pad(text),
		"not padded":                text,
		"zeros without a mark":      append(bytes.Clone(text), 0, 0, 0),
		"a pro message":             beside(16, []byte("pro")),
		"a malformed bundle":        beside(fieldBundle, []byte{0xff}),
		"a malformed online status": beside(fieldOnline, []byte{0xff}),
		"a sync message of 2020":    beside(fieldSync, []byte{0xff}),
		"a pairing":                 beside(fieldPairing, []byte{0xff}),
		"a malformed extension":     beside(fieldExtension, []byte{0xff}),
		"flags of tomorrow": PadV1(Content{Body: Data{Text: "hi", Flags: 1<<20 | 8},
			SigTimestampMS: 7}.Marshal()),
		"a message id": fields.AppendVarint(bytes.Clone(text), 99, 1),
	} {
		if got, err := ParseV1(b); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, b := range map[string][]byte{
		"nothing":               nil,
		"zeros":                 make([]byte, 160),
		"only padding":          PadV1(nil),
		"only an unknown field": PadV1([]byte{0xf8, 0x07, 0x01}),
		"a null message":        PadV1(Content{Body: Null{}}.Marshal()),
	} {
		if got, err := ParseV1(b); err != nil || got.Body != (Unknown{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, b := range map[string][]byte{
		"two marks":         append(bytes.Clone(text), 0x80, 0x80),
		"no protobuf":       {0xff},
		"a malformed text":  fields.AppendBytes([]byte(nil), fieldData, []byte{0xff}),
		"a malformed field": append(bytes.Clone(text), 0xfa, 0x07, 0x05),
	} {
		if got, err := ParseV1(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	timed := Content{Body: Unknown{}, SigTimestampMS: 5}
	if got, err := ParseV1(fields.AppendVarint(nil, fieldSigTimestamp, 5)); err != nil ||
		!reflect.DeepEqual(got, timed) {
		t.Errorf("only a timestamp: %+v, %v", got, err)
	}
}

func TestCheckText(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want error
	}{
		"empty":          {"", nil},
		"as long as can": {strings.Repeat("x", MaxTextBytes), nil},
		"longer":         {strings.Repeat("x", MaxTextBytes+1), ErrTooLong},
		"not UTF-8":      {"a\xff", ErrNotUTF8},
	} {
		if err := CheckText(test.text); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	if err := CheckDisplayName(strings.Repeat("x", MaxDisplayNameBytes+1)); !errors.Is(err, ErrTooLong) {
		t.Errorf("long name: %v", err)
	}
}

// The longest text fits into a store request in the worst case: as a friend request with sealed sender, and in a
// PreKeyWhisperMessage.
func TestLongestTextFits(t *testing.T) {
	const preKeyWhisper = 256 // 5 keys or macs with their headers, 5 numbers, a block of padding: less than 200 bytes

	random := testRandom(t)
	alice, err := x25519.GenerateKey(random)
	if err != nil {
		t.Fatal(err)
	}
	bob, err := x25519.GenerateKey(random)
	if err != nil {
		t.Fatal(err)
	}
	bundle := testBundle()
	bundle.SignedPrekeyID, bundle.OneTimePrekeyID = 1<<32-1, 1<<32-1
	content := FriendRequest(strings.Repeat("x", MaxTextBytes), strings.Repeat("n", MaxDisplayNameBytes),
		make([]byte, 32), bundle)
	content.Extension = &Extension{
		Status:            &Online{Reachable: true, Address: strings.Repeat("a", MaxAddressBytes), Port: 1<<16 - 1},
		StatusTimestampMS: 1<<64 - 1, AckKey: &AckKey{},
	}
	padded := Pad(content.Marshal())

	request, err := friendrequest.Encrypt(random, alice, bob.Public, padded)
	if err != nil {
		t.Fatal(err)
	}
	for kind, encrypted := range map[ciphertext.Kind][]byte{
		ciphertext.FriendRequest: request,
		ciphertext.PreKeyWhisper: append(padded, make([]byte, preKeyWhisper)...),
	} {
		inner := sealedsender.Inner{Kind: kind, Sender: sessionid.FromPublicKey(alice.Public), Content: encrypted}
		hidden, err := sealedsender.Seal(random, alice, bob.Public, inner)
		if err != nil {
			t.Fatal(err)
		}
		data, err := envelope.Pack(random,
			envelope.Envelope{Kind: ciphertext.Sealed, TimestampMS: 1<<64 - 1, Content: hidden})
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		t.Logf("%s: %d of %d characters", kind, len(data), envelope.MaxDataText)
	}
}

func TestNames(t *testing.T) {
	for want, got := range map[string]string{
		"delivery": Delivery.String(),
		"read":     Read.String(),
		"call":     Call{}.Name(),
		"end_call": CallEnd.String(),
		"step_9":   CallStep(9).String(),
		"kind_9":   ExtractionKind(9).String(),
		"field 9":  Unsupported(9).Name(),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
