package ciphertext

import "testing"

// The names are part of the output of `envelope inspect`, the numbers are those of the wire.
func TestNamesAndNumbers(t *testing.T) {
	for kind, want := range map[Kind]string{
		1: "whisper", 3: "prekey-whisper", 5: "server-receipt", 6: "sealed", 7: "group", 101: "friend-request",
		0: "type 0", -1: "type -1",
	} {
		if got := kind.String(); got != want {
			t.Errorf("kind %d is %q, want %q", int32(kind), got, want)
		}
	}
	for kind, want := range map[Kind]int32{
		Whisper: 1, PreKeyWhisper: 3, ServerReceipt: 5, Sealed: 6, Group: 7, FriendRequest: 101,
	} {
		if int32(kind) != want {
			t.Errorf("%s has the number %d, want %d", kind, int32(kind), want)
		}
	}
}
