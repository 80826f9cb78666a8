package message

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// recordedContent is a decoded Content of the recordings. They write large integers as strings.
type recordedContent struct {
	Data *struct {
		Body        string         `json:"body"`
		Flags       Flags          `json:"flags"`
		ExpireTimer uint32         `json:"expireTimer"`
		ProfileKey  *recordedBytes `json:"profileKey"`
		Timestamp   recordedNumber `json:"timestamp"`
		Quote       *struct {
			ID     recordedNumber `json:"id"`
			Author string         `json:"author"`
			Text   string         `json:"text"`
		} `json:"quote"`
		Profile struct {
			DisplayName string `json:"displayName"`
		} `json:"profile"`
	} `json:"dataMessage"`
	Null *struct {
		Padding *recordedBytes `json:"padding"`
	} `json:"nullMessage"`
	Receipt *struct {
		Type       ReceiptKind      `json:"type"`
		Timestamps []recordedNumber `json:"timestamp"`
	} `json:"receiptMessage"`
	Typing *struct {
		Timestamp recordedNumber `json:"timestamp"`
		Action    int            `json:"action"`
	} `json:"typingMessage"`
	Bundle *struct {
		IdentityKey recordedBytes  `json:"identityKey"`
		PreKeyID    uint32         `json:"preKeyId"`
		SignedKeyID uint32         `json:"signedKeyId"`
		PreKey      *recordedBytes `json:"preKey"`
		SignedKey   recordedBytes  `json:"signedKey"`
		Signature   recordedBytes  `json:"signature"`
	} `json:"preKeyBundleMessage"`
	Address *struct {
		Type    int    `json:"type"`
		Address string `json:"p2pAddress"`
		Port    uint16 `json:"p2pPort"`
	} `json:"lokiAddressMessage"`

	foreign bool // it has parts that stand in none of these fields
}

// UnmarshalJSON decodes the fields of recordedContent, and notes whether there are others: an avatar, files, another
// body.
func (r *recordedContent) UnmarshalJSON(text []byte) error {
	type plain recordedContent
	if err := json.Unmarshal(text, (*plain)(r)); err != nil {
		return err
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	r.foreign = hasMore(parts, "dataMessage", "nullMessage", "receiptMessage", "typingMessage", "preKeyBundleMessage",
		"lokiAddressMessage")
	var data, profile map[string]json.RawMessage
	if r.Data == nil {
		return nil
	}
	if err := json.Unmarshal(parts["dataMessage"], &data); err != nil {
		return err
	}
	r.foreign = r.foreign ||
		hasMore(data, "body", "flags", "expireTimer", "profileKey", "timestamp", "quote", "profile")
	if data["profile"] == nil {
		return nil
	}
	err := json.Unmarshal(data["profile"], &profile)
	r.foreign = r.foreign || hasMore(profile, "displayName")
	return err
}

// hasMore reports whether a recorded object has a non-empty field whose name is not in names.
func hasMore(parts map[string]json.RawMessage, names ...string) bool {
	for name, part := range parts {
		if !slices.Contains(names, name) &&
			!slices.Contains([]string{"null", "[]", `""`, "0", `"0"`, "false"}, string(part)) {
			return true
		}
	}
	return false
}

type recordedBytes struct {
	Hex vectors.Hex `json:"hex"`
}

func (b *recordedBytes) bytes() []byte {
	if b == nil {
		return nil
	}
	return b.Hex
}

// recordedNumber is an integer that a recording writes as a number or as a string.
type recordedNumber uint64

func (n *recordedNumber) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(bytes.Trim(text, `"`), (*uint64)(n))
}

// content returns the recorded Content.
func (r recordedContent) content(t *testing.T) Content {
	t.Helper()
	return Content{Body: r.body(), Bundle: r.bundle(t)}
}

func (r recordedContent) body() Body {
	switch {
	case r.Address != nil:
		return Online{Reachable: r.Address.Type == 0, Address: r.Address.Address, Port: r.Address.Port}
	case r.Data != nil:
		data := Data{
			Text:               r.Data.Body,
			DisplayName:        r.Data.Profile.DisplayName,
			ProfileKey:         r.Data.ProfileKey.bytes(),
			TimestampMS:        uint64(r.Data.Timestamp),
			Flags:              r.Data.Flags,
			ExpireTimerSeconds: r.Data.ExpireTimer,
		}
		if quote := r.Data.Quote; quote != nil {
			data.Quote = &Quote{TimestampMS: uint64(quote.ID), Author: quote.Author, Text: quote.Text}
		}
		return data
	case r.Null != nil:
		return Null{Padding: r.Null.Padding.bytes()}
	case r.Receipt != nil:
		receipts := Receipts{Kind: r.Receipt.Type}
		for _, timestamp := range r.Receipt.Timestamps {
			receipts.TimestampsMS = append(receipts.TimestampsMS, uint64(timestamp))
		}
		return receipts
	case r.Typing != nil:
		return Typing{TimestampMS: uint64(r.Typing.Timestamp), Stopped: r.Typing.Action == 1}
	}
	return nil
}

func (r recordedContent) bundle(t *testing.T) *x3dh.Bundle {
	t.Helper()
	if r.Bundle == nil {
		return nil
	}
	bundle := &x3dh.Bundle{
		IdentityKey:     r.Bundle.IdentityKey.Hex.Array32(t),
		SignedPrekeyID:  r.Bundle.SignedKeyID,
		SignedPrekey:    r.Bundle.SignedKey.Hex.Array32(t),
		Signature:       [x3dh.SignatureSize]byte(r.Bundle.Signature.Hex),
		OneTimePrekeyID: r.Bundle.PreKeyID,
	}
	if r.Bundle.PreKey != nil {
		key := x25519.PublicKey(r.Bundle.PreKey.Hex.Array32(t))
		bundle.OneTimePrekey = &key
	}
	return bundle
}

// checkReads checks that Parse returns the recorded fields of a content that Marshal cannot make completely.
func checkReads(t *testing.T, recorded recordedContent, padded []byte) {
	t.Helper()
	encoded, err := Unpad(padded)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(encoded)
	if err != nil {
		t.Fatalf("%x: %v", encoded, err)
	}
	if want, ok := recorded.body().(Data); ok {
		if data, ok := got.Body.(Data); !ok || data.Text != want.Text || data.DisplayName != want.DisplayName ||
			data.Flags != want.Flags {
			t.Errorf("%x is parsed to %+v, want %+v", encoded, got.Body, want)
		}
	}
}

// checkBothWays compares content with its recorded encoding and padding, in both directions.
func checkBothWays(t *testing.T, content Content, padded []byte) {
	t.Helper()
	if got := Pad(content.Marshal()); !bytes.Equal(got, padded) {
		t.Errorf("%+v is encoded and padded to\n     %x\nwant %x", content, got, padded)
	}
	encoded, err := Unpad(padded)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Parse(encoded); err != nil || !reflect.DeepEqual(got, content) {
		t.Errorf("%x is parsed to\n     %+v, %v\nwant %+v", encoded, got, err, content)
	}
}

func TestRecordedContents(t *testing.T) {
	var file struct {
		Contents []struct {
			Content recordedContent `json:"decoded"`
			Encoded vectors.Hex     `json:"content_hex"`
			Padded  vectors.Hex     `json:"padded_hex"`
		} `json:"contents"`
	}
	vectors.Load(t, "envelope.json", &file)
	for _, recorded := range file.Contents {
		if recorded.Content.foreign {
			checkReads(t, recorded.Content, recorded.Padded)
			continue
		}
		content := recorded.Content.content(t)
		checkBothWays(t, content, recorded.Padded)
		if got := content.Marshal(); !bytes.Equal(got, recorded.Encoded) {
			t.Errorf("%+v is encoded to %x, want %x", content, got, []byte(recorded.Encoded))
		}
	}
}

// FriendRequest makes the recorded friend requests from their texts.
func TestRecordedFriendRequests(t *testing.T) {
	var file struct {
		Full []struct {
			Text       string          `json:"body"`
			ProfileKey vectors.Hex     `json:"profile_key"`
			Content    recordedContent `json:"content"`
			Encoded    vectors.Hex     `json:"content_bytes"`
			Fallback   struct {
				Padded vectors.Hex `json:"padded_plaintext"`
			} `json:"fallback"`
		} `json:"full"`
	}
	vectors.Load(t, "friend_request.json", &file)
	for _, recorded := range file.Full {
		checkBothWays(t, recorded.Content.content(t), recorded.Fallback.Padded)

		name := recorded.Content.Data.Profile.DisplayName
		content := FriendRequest(recorded.Text, name, recorded.ProfileKey, *recorded.Content.bundle(t))
		if got := content.Marshal(); !bytes.Equal(got, recorded.Encoded) {
			t.Errorf("friend request %q is encoded to %x, want %x", recorded.Text, got, []byte(recorded.Encoded))
		}
	}
}

func TestRecordedConversations(t *testing.T) {
	var file struct {
		Conversations []struct {
			Steps []struct {
				Sent []struct {
					Padded  vectors.Hex     `json:"padded_plaintext"`
					Content recordedContent `json:"content"`
				} `json:"sent"`
			} `json:"steps"`
		} `json:"conversations"`
	}
	vectors.Load(t, "session_lifecycle.json", &file)
	for _, conversation := range file.Conversations {
		for _, step := range conversation.Steps {
			for _, sent := range step.Sent {
				if sent.Content.foreign {
					checkReads(t, sent.Content, sent.Padded)
					continue
				}
				checkBothWays(t, sent.Content.content(t), sent.Padded)
				checkBuilder(t, sent.Content, sent.Padded)
			}
		}
	}
}

// checkBuilder makes the content with the constructor of its kind.
func checkBuilder(t *testing.T, recorded recordedContent, padded []byte) {
	t.Helper()
	var content Content
	switch body := recorded.body().(type) {
	case Data:
		switch bundle := recorded.bundle(t); {
		case bundle == nil:
			content = Text(body.Text, body.DisplayName, body.ProfileKey)
		case body.Flags == EndSession:
			content = Reset(*bundle)
		default:
			content = FriendRequest(body.Text, body.DisplayName, body.ProfileKey, *bundle)
		}
	case Online:
		content = Background()
		if body.Reachable {
			content = OnlineStatus(body.Address, body.Port)
		}
	case Receipts:
		content = Receipt(body.Kind, body.TimestampsMS...)
	default:
		return // built as literals
	}
	if got := Pad(content.Marshal()); !bytes.Equal(got, padded) {
		t.Errorf("%+v is encoded and padded to\n     %x\nwant %x", content, got, padded)
	}
}

func TestRecordedPadding(t *testing.T) {
	var file struct {
		Padding []struct {
			Length       int  `json:"length"`
			PaddedLength int  `json:"padded_length"`
			Terminator   int  `json:"terminator_at"`
			UnpadOK      bool `json:"unpad_ok"`
		} `json:"padding"`
		Unpad []struct {
			Padded vectors.Hex `json:"padded"`
			Result vectors.Hex `json:"result"`
			Error  string      `json:"error"`
		} `json:"unpad"`
	}
	vectors.Load(t, "envelope.json", &file)
	for _, recorded := range file.Padding {
		content := bytes.Repeat([]byte("a"), recorded.Length)
		padded := Pad(content)
		if len(padded) != recorded.PaddedLength || bytes.LastIndexByte(padded, paddingMark) != recorded.Terminator {
			t.Errorf("%d bytes are padded to %x", recorded.Length, padded)
		}
		if got, err := Unpad(padded); (err == nil) != recorded.UnpadOK || !bytes.Equal(got, content) {
			t.Errorf("%d bytes are unpadded to %q, %v", recorded.Length, got, err)
		}
	}
	for _, recorded := range file.Unpad {
		got, err := Unpad(recorded.Padded)
		if (err != nil) != (recorded.Error != "") || !bytes.Equal(got, recorded.Result) {
			t.Errorf("%x is unpadded to %x, %v, want %x, %q", recorded.Padded, got, err, recorded.Result,
				recorded.Error)
		}
	}
}

// Session.js pads in the same way as clients of 2020, and Parse reads its contents.
func TestRecordedContentsOfToday(t *testing.T) {
	var file struct {
		Messages []struct {
			Text     string `json:"text"`
			Received struct {
				Author struct {
					DisplayName string `json:"displayName"`
				} `json:"author"`
			} `json:"received_by_real_peer"`
			Opened struct {
				Padded  vectors.Hex `json:"padded_plaintext"`
				Content vectors.Hex `json:"content_protobuf"`
			} `json:"opened"`
		} `json:"messages"`
	}
	vectors.Load(t, "sessionjs_message.json", &file)
	for _, recorded := range file.Messages {
		if got := Pad(recorded.Opened.Content); !bytes.Equal(got, recorded.Opened.Padded) {
			t.Errorf("%x is padded to %x, want %x", recorded.Opened.Content, got, recorded.Opened.Padded)
		}
		content, err := Unpad(recorded.Opened.Padded)
		if err != nil || !bytes.Equal(content, recorded.Opened.Content) {
			t.Errorf("%x is unpadded to %x, %v", recorded.Opened.Padded, content, err)
		}
		parsed, err := Parse(content)
		data, ok := parsed.Body.(Data)
		if err != nil || !ok || data.Text != recorded.Text || data.DisplayName != recorded.Received.Author.DisplayName {
			t.Errorf("%x is parsed to %+v, %v", content, parsed, err)
		}
	}
}
