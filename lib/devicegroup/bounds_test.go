package devicegroup

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"sessiontool/lib/accountkeys"
)

func TestStateString(t *testing.T) {
	for state, want := range map[State]string{
		Unregistered: "unregistered", Pending: "pending", Registered: "registered", Left: "left", Kicked: "kicked",
		Kicked + 1: "unknown",
	} {
		if got := state.String(); got != want {
			t.Errorf("%d is %s, want %s", state, got, want)
		}
	}
}

// The first device that only the other side knows is taken, whatever its number is.
func TestMergeTakesNewDeviceWithAnyNumber(t *testing.T) {
	other := device(1)
	other.State, other.Record.SeqNo = Unregistered, -1
	if merged, changes := Merge(group(), group(other), 1000); len(merged.Devices) != 1 || len(changes.Updated) != 1 {
		t.Errorf("merged %+v, changes %+v", merged.Devices, changes)
	}
}

// A payload that reaches a step exactly is not longer than it.
func TestPaddedPayload(t *testing.T) {
	for size, want := range map[int]int{
		0: 8700, 2300: 8700, 8700: 8700, 8701: 15_100, 15_100: 15_100, 15_101: 21_500,
	} {
		if got := paddedPayload(size); got != want {
			t.Errorf("%d bytes are padded to %d, want %d", size, got, want)
		}
	}
}

// A key may have been rotated at the first millisecond.
func TestEarliestRotation(t *testing.T) {
	g := group(device(1))
	g.Keys = append(g.Keys, accountkeys.Entry{Seed: accountkeys.Seed{8}, Created: 1, Rotated: 1})
	text, err := g.encode()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := decode(text); err != nil || len(again.Keys) != 2 {
		t.Errorf("%+v, %v", again.Keys, err)
	}
}

// Keys of a record ascend from the first one, which may be empty, and none comes twice.
func TestOrderOfRecordKeys(t *testing.T) {
	text := device(1).Record.Bytes()
	first := append([]byte("d0:i1e"), text[1:]...)
	if r, err := ParseRecord(first); err != nil || len(r.Extra) != 1 || !bytes.Equal(r.Bytes(), first) {
		t.Errorf("an empty first key: %+v, %v", r.Extra, err)
	}
	end := text[:len(text)-1]
	for name, added := range map[string]string{"twice": "2:zzi1e2:zzi1e", "descending": "2:zzi1e2:zyi1e"} {
		if _, err := ParseRecord(append(bytes.Clone(end), added+"e"...)); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Keys of a record have their lengths.
func TestLengthOfRecordKeys(t *testing.T) {
	long := make([]byte, 3)
	for _, dst := range [][]byte{make([]byte, 2), make([]byte, 4)} {
		if err := setArray(dst, []byte("3:"+string(long))); err == nil {
			t.Errorf("3 bytes are taken for %d", len(dst))
		}
	}
	if err := setArray(long, []byte("3:abc")); err != nil || string(long) != "abc" {
		t.Errorf("%q, %v", long, err)
	}
}

// A message whose encrypted group is an authenticator alone has no group.
func TestParseNeedsBody(t *testing.T) {
	message, err := Seal(testRandom("seal"), account, groupID, group(device(1)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(account.Ed25519Public(), message)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(message, s.body)
	begin := at - len("8716:")
	for size, accepted := range map[int]bool{chacha20poly1305.Overhead: false, chacha20poly1305.Overhead + 1: true} {
		signed := append(bytes.Clone(message[:begin]), []byte{byte('0' + size/10), byte('0' + size%10), ':'}...)
		signed = append(append(signed, make([]byte, size)...), message[at+len(s.body):len(message)-len("1:~64:")-64-1]...)
		signature := account.Sign(signed)
		short := append(append(append(bytes.Clone(signed), "1:~64:"...), signature[:]...), 'e')
		if _, err := Parse(account.Ed25519Public(), short); (err == nil) != accepted {
			t.Errorf("%d bytes: %v, at %q", size, err, message[begin:at])
		}
	}
}
