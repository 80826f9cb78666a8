package message

import (
	"bytes"
	"testing"
)

// FuzzParse: every parsed content encodes and parses to the same content.
func FuzzParse(f *testing.F) {
	bundle := testBundle()
	withStatus := FriendRequest("hello", "Alice", []byte("k"), bundle)
	withStatus.Extension = &Extension{
		Status:            &Online{Reachable: true, Address: "a", Port: 1},
		StatusTimestampMS: 1,
		AckKey:            &AckKey{1},
	}
	for _, content := range []Content{
		withStatus, Background(), Receipt(Read, 1, 2), {Body: Typing{TimestampMS: 1}}, {Body: Null{}}, {Body: Sync},
		{Body: Call{Step: CallPreOffer, ID: "1"}},
		TextV1("hello", "Alice", 1), Approval("Alice", 2), {Body: Unsend{TimestampMS: 1, Author: "05"}},
		{Body: Extraction{Kind: MediaSaved, TimestampMS: 7}},
		{Body: Data{Quote: &Quote{TimestampMS: 1}, Flags: EndSession}},
		{Body: Data{
			Text: "x", SyncTarget: "05", Previews: []Preview{{URL: "u", Title: "t"}},
			Reaction: &Reaction{TimestampMS: 1, Author: "05", Emoji: "e", Remove: true},
		}},
	} {
		f.Add(content.Marshal())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		content, err := Parse(b)
		if err != nil {
			return
		}
		if data, ok := content.Body.(Data); ok {
			data.Attachments, data.Contacts, data.Group, data.Invitation = 0, 0, false, false // never written
			content.Body = data
		}
		encoded := content.Marshal()
		again, err := Parse(encoded)
		if err != nil {
			t.Fatalf("%+v does not parse again: %v", content, err)
		}
		if !bytes.Equal(again.Marshal(), encoded) {
			t.Fatalf("%+v became %+v", content, again)
		}
	})
}

// FuzzParseV1: a session-v1 content that is parsed encodes and parses to the same content, whatever stands beside it.
func FuzzParseV1(f *testing.F) {
	for _, content := range []Content{
		TextV1("hello", "Alice", 1), Approval("Alice", 2), {Body: Unsend{TimestampMS: 1, Author: "05"}},
		{Body: Call{Step: CallPreOffer, ID: "1"}}, {Body: Extraction{Kind: MediaSaved, TimestampMS: 7}},
	} {
		f.Add(PadV1(content.Marshal()))
		f.Add(content.Marshal()) // some clients do not pad
	}
	f.Fuzz(func(t *testing.T, padded []byte) {
		content, err := ParseV1(padded)
		if err != nil {
			return
		}
		encoded := PadV1(content.Marshal())
		again, err := ParseV1(encoded)
		if err != nil {
			t.Fatalf("%+v does not parse again: %v", content, err)
		}
		if !bytes.Equal(PadV1(again.Marshal()), encoded) {
			t.Fatalf("%+v became %+v", content, again)
		}
	})
}

// FuzzPad: Unpad reverses Pad, and a padded length reveals only the number of blocks.
func FuzzPad(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0x80, 0}, 80))
	f.Fuzz(func(t *testing.T, content []byte) {
		padded := Pad(content)
		if got, err := Unpad(padded); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("got %x, %v", got, err)
		}
		if len(padded)%paddingBlock != paddingBlock-1 || len(padded) > len(content)+paddingBlock {
			t.Fatalf("%d bytes are padded to %d", len(content), len(padded))
		}
		if unpadded, err := Unpad(content); err == nil && !bytes.HasPrefix(content, append(unpadded, paddingMark)) {
			t.Fatalf("%x is unpadded to %x", content, unpadded)
		}
	})
}
