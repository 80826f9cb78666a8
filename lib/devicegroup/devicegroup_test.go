package devicegroup

import (
	"bytes"
	"crypto/sha3"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/internal/bencode"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

var (
	account  = sessionid.KeysFromSeed(sessionid.Seed{1})
	stranger = sessionid.KeysFromSeed(sessionid.Seed{2})
	groupID  = GroupID{1, 2, 3, 4, 5, 6, 7, 8}
)

// testRandom is an endless stream of bytes that label determines.
func testRandom(label string) io.Reader {
	shake := sha3.NewSHAKE256()
	shake.Write([]byte(label))
	return shake
}

func deviceKey(n byte) *accountkeys.Key { return accountkeys.Seed{0xd0, n}.DeviceKey() }

// device returns a registered device with the key deviceKey(n).
func device(n byte) Device {
	record := NewRecord(deviceKey(n).Public())
	record.SeqNo, record.Updated, record.Description, record.Type = 1, 1000, fmt.Sprint("device ", n), TypeCommandLine
	return Device{ID: DeviceID{n}, State: Registered, Record: record}
}

func gone(n byte, state State, at int64) Device {
	return Device{ID: DeviceID{n}, State: state, GoneAt: at}
}

func group(devices ...Device) Group {
	return Group{Devices: devices, Keys: []accountkeys.Entry{{Seed: accountkeys.Seed{7}, Created: 1000}}}
}

func sealed(t testing.TB, g Group) *Sealed {
	t.Helper()
	message, err := Seal(testRandom("seal"), account, groupID, g)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(account.Ed25519Public(), message)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryRegisteredDeviceOpens(t *testing.T) {
	for _, count := range []int{1, 3, 4, 5, 9} {
		var devices []Device
		for n := range count {
			devices = append(devices, device(byte(n)))
		}
		pending := device(100)
		pending.State = Pending
		s := sealed(t, group(append(devices, pending, gone(101, Left, 2000))...))
		for n := range count {
			opened, err := s.Open(deviceKey(byte(n)))
			if err != nil || len(opened.Devices) != count+1 || len(opened.Keys) != 1 {
				t.Errorf("%d devices, number %d: %d devices, %v", count, n, len(opened.Devices), err)
			}
			if _, found := opened.Device(pending.ID); found {
				t.Error("a pending device is part of the message")
			}
		}
		if _, err := s.Open(deviceKey(100), deviceKey(101)); !errors.Is(err, ErrNotMember) {
			t.Errorf("%d devices, from outside: %v", count, err)
		}
		if _, err := s.Open(deviceKey(102), deviceKey(0)); err != nil {
			t.Errorf("%d devices, with an old key too: %v", count, err)
		}
	}
}

// The length of a message says the number of devices only in steps of four.
func TestMessagesHideTheNumberOfDevices(t *testing.T) {
	lengths := map[int]int{}
	for count := 1; count <= 4; count++ {
		var devices []Device
		for n := range count {
			devices = append(devices, device(byte(n)))
		}
		message, err := Seal(testRandom("seal"), account, groupID, group(devices...))
		if err != nil {
			t.Fatal(err)
		}
		lengths[len(message)]++
	}
	if lengths[13_393] != 4 {
		t.Errorf("lengths: %v", lengths)
	}
}

func TestSealRefuses(t *testing.T) {
	keyless := Group{Devices: []Device{device(1)}}
	if _, err := Seal(testRandom("x"), account, groupID, keyless); !errors.Is(err, ErrPayload) {
		t.Errorf("without an account key: %v", err)
	}
	if _, err := Seal(testRandom("x"), account, groupID, group(gone(1, Kicked, 0))); !errors.Is(err, ErrPayload) {
		t.Errorf("a tombstone without time: %v", err)
	}
	weak := device(1)
	weak.Record.X25519 = x25519.PublicKey{}
	if _, err := Seal(testRandom("x"), account, groupID, group(weak)); !errors.Is(err, accountkeys.ErrPublicKey) {
		t.Errorf("a device key of low order: %v", err)
	}
	if _, err := Seal(bytes.NewReader(make([]byte, 100)), account, groupID, group(device(1))); err == nil {
		t.Error("100 bytes of randomness were enough")
	}
}

func TestParseNeedsTheAccountsSignature(t *testing.T) {
	message, err := Seal(testRandom("seal"), account, groupID, group(device(1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(stranger.Ed25519Public(), message); !errors.Is(err, ErrMalformed) {
		t.Errorf("as another's: %v", err)
	}
	for at := 0; at < len(message); at += 101 {
		changed := bytes.Clone(message)
		changed[at] ^= 1
		if _, err := Parse(account.Ed25519Public(), changed); !errors.Is(err, ErrMalformed) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
}

func TestKindOf(t *testing.T) {
	for text, want := range map[string]Kind{
		"d0:1:Ge": KindGroup, "d0:1:Le": KindLink, "d0:1:Xe": KindUnknown, "d0:2:GGe": KindUnknown, "de": KindUnknown,
		"": KindUnknown, "d1:a1:Ge": KindUnknown,
	} {
		if got := KindOf([]byte(text)); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestStanding(t *testing.T) {
	s := sealed(t, group(device(1), gone(2, Kicked, 2000), gone(3, Left, 2000)))
	opened := time.Unix(10_000, 0)
	for name, c := range map[string]struct {
		own    byte
		known  GroupID
		stored time.Time
		want   Standing
	}{
		"kicked":           {2, groupID, opened, Removed},
		"left":             {3, groupID, opened, Undecided},
		"soon after":       {4, groupID, opened.Add(5 * time.Minute), Undecided},
		"long after":       {4, groupID, opened.Add(5*time.Minute + time.Second), Displaced},
		"of another group": {4, GroupID{9}, opened.Add(time.Hour), OtherGroup},
		"kicked elsewhere": {2, GroupID{9}, opened, Removed},
	} {
		if got := s.Standing(account, DeviceID{c.own}, c.known, c.stored, opened); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if (&Sealed{}).Standing(account, DeviceID{1}, groupID, opened.Add(time.Hour), opened) != Undecided {
		t.Error("a message without group id decides")
	}
	if s.HasKicked(stranger, DeviceID{2}) {
		t.Error("another account finds a kicked device")
	}
}

func TestGroupID(t *testing.T) {
	now := time.Date(2026, 11, 30, 15, 4, 5, 0, time.UTC)
	id, err := NewGroupID(testRandom("id"), now)
	if err != nil || !id.Created().Equal(now.Truncate(time.Minute)) {
		t.Errorf("created %s, %v", id.Created(), err)
	}
	if _, err := NewGroupID(bytes.NewReader([]byte{1, 2, 3}), now); err == nil {
		t.Error("3 bytes of randomness were enough")
	}
	if len(id.Emoji()) != 4 {
		t.Errorf("%d emoji", len(id.Emoji()))
	}
}

// A device that is not in the group asks to join, and the group's devices see what it sees.
func TestLinkRequest(t *testing.T) {
	key := accountkeys.Seed{7}.AccountKey()
	message, made, err := RequestLink(testRandom("link"), account, key.Public().X25519(), device(5))
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenLink(account, []*accountkeys.Key{key}, message)
	if err != nil || got.Device.State != Pending || got.Device.ID != (DeviceID{5}) {
		t.Errorf("%+v, %v", got, err)
	}
	if !slices.Equal(got.Emoji(), made.Emoji()) || len(made.Emoji()) != 7 {
		t.Errorf("%v and %v", got.Emoji(), made.Emoji())
	}
	if _, err := OpenLink(stranger, []*accountkeys.Key{key}, message); !errors.Is(err, ErrNotMember) {
		t.Errorf("as another's: %v", err)
	}
	if _, err := OpenLink(account, nil, message); !errors.Is(err, ErrNotMember) {
		t.Errorf("without a key: %v", err)
	}
	for at := 0; at < len(message); at += 13 {
		changed := bytes.Clone(message)
		changed[at] ^= 1
		if _, err := OpenLink(account, []*accountkeys.Key{key}, changed); err == nil {
			// The kind is the dispatcher's, and an ephemeral key has one bit that X25519 ignores.
			t.Logf("byte %d of %q may change", at, message[:8])
			if KindOf(changed) == KindLink {
				t.Errorf("byte %d may change", at)
			}
		}
	}
	_, _, err = RequestLink(testRandom("x"), account, x25519.PublicKey{}, device(5))
	if !errors.Is(err, x25519.ErrLowOrder) {
		t.Errorf("a link key of low order: %v", err)
	}
}

// A device without the account's words makes no request, and one with a weak key is not let in.
func TestLinkRequestsThatAreRefused(t *testing.T) {
	key := accountkeys.Seed{7}.AccountKey()
	forged := account
	forged.Ed25519 = stranger.Ed25519
	message, _, err := RequestLink(testRandom("link"), forged, key.Public().X25519(), device(5))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLink(account, []*accountkeys.Key{key}, message); !errors.Is(err, ErrMalformed) {
		t.Errorf("signed by another key: %v", err)
	}
	weak := device(5)
	weak.Record.KEM[0], weak.Record.KEM[1] = 0xff, 0xff
	message, _, err = RequestLink(testRandom("link"), account, key.Public().X25519(), weak)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLink(account, []*accountkeys.Key{key}, message); !errors.Is(err, accountkeys.ErrPublicKey) {
		t.Errorf("an invalid ML-KEM key: %v", err)
	}
	noEphemeral := append([]byte("d0:1:L1:E32:"), make([]byte, 32)...)
	noEphemeral = append(noEphemeral, "1:L1:x1:i2:abe"...)
	if _, err := OpenLink(account, []*accountkeys.Key{key}, noEphemeral); !errors.Is(err, ErrMalformed) {
		t.Errorf("an ephemeral key of low order: %v", err)
	}
}

func TestEmojiTableIsWhole(t *testing.T) {
	symbols, names := map[string]bool{}, map[string]bool{}
	for i, emoji := range emojiTable {
		if emoji.Symbol == "" || emoji.Name == "" || symbols[emoji.Symbol] || names[emoji.Name] {
			t.Errorf("entry %d: %q %q", i, emoji.Symbol, emoji.Name)
		}
		symbols[emoji.Symbol], names[emoji.Name] = true, true
	}
	if lines := strings.Count(emojiList, "\n") + 1; lines != len(emojiTable) {
		t.Errorf("%d lines", lines)
	}
}

func TestRecordsKeepUnknownKeysInTheirPlaces(t *testing.T) {
	r := device(1).Record
	r.Extra = []Field{{"!", []byte("i1e")}, {"N", []byte("le")}, {"zz", []byte("de")}}
	text := r.Bytes()
	again, err := ParseRecord(text)
	if err != nil || !bytes.Equal(again.Bytes(), text) || len(again.Extra) != 3 {
		t.Errorf("%+v, %v", again, err)
	}
	for _, unsorted := range []string{"d1:#i1e1:!i1ee", "d1:#i1e1:#i1ee", "", "de", string(text) + "e"} {
		if _, err := ParseRecord([]byte(unsorted)); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v", unsorted, err)
		}
	}
}

// FuzzDecode: every accepted group, written again, is accepted and written the same.
func FuzzDecode(f *testing.F) {
	for _, g := range []Group{group(device(1)), group(device(1), gone(2, Kicked, 5), gone(3, Left, 6))} {
		text, err := g.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := decode(text)
		if err != nil {
			if !errors.Is(err, ErrPayload) {
				t.Fatal(err)
			}
			return
		}
		written, err := g.encode()
		if err != nil {
			return // no active key: readable, and not to be written
		}
		again, err := decode(written)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, written, err)
		}
		if rewritten, err := again.encode(); err != nil || !bytes.Equal(rewritten, written) {
			t.Fatalf("%q became %q, then %q (%v)", text, written, rewritten, err)
		}
	})
}

// FuzzParse: whatever the account signs is refused or opens. The fuzzer changes the text, and the test signs it.
func FuzzParse(f *testing.F) {
	message, err := Seal(testRandom("seal"), account, groupID, group(device(1), gone(2, Kicked, 5)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message[:len(message)-len("1:~64:")-64-1])
	f.Add([]byte("d0:1:G1:A32:"))
	f.Fuzz(func(t *testing.T, signed []byte) {
		signature := account.Sign(signed)
		text := append(bencode.AppendPair(bytes.Clone(signed), signatureKey, signature[:]), 'e')
		s, err := Parse(account.Ed25519Public(), text)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		s.HasKicked(account, DeviceID{2})
		g, err := s.Open(deviceKey(1))
		if err != nil {
			if !errors.Is(err, ErrNotMember) && !errors.Is(err, ErrPayload) {
				t.Fatal(err)
			}
			return
		}
		if _, found := g.Device(DeviceID{1}); !found {
			t.Fatalf("opened another group: %+v", g)
		}
	})
}

// FuzzOpenLink: any message is refused with one of the classes, or is the request in the corpus.
func FuzzOpenLink(f *testing.F) {
	key := accountkeys.Seed{7}.AccountKey()
	message, _, err := RequestLink(testRandom("link"), account, key.Public().X25519(), device(5))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message)
	f.Add([]byte("d0:1:L1:E32:"))
	f.Fuzz(func(t *testing.T, message []byte) {
		request, err := OpenLink(account, []*accountkeys.Key{key}, message)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNotMember) {
				t.Fatal(err)
			}
			return
		}
		if request.Device.ID != (DeviceID{5}) {
			t.Fatalf("opened another request: %+v", request)
		}
	})
}

// FuzzParseLink: every accepted request, written again, is the same.
func FuzzParseLink(f *testing.F) {
	linkKey := accountkeys.Seed{7}.AccountKey().Public().X25519()
	_, request, err := RequestLink(testRandom("link"), account, linkKey, device(5))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(request.text[:len(request.text)-len("1:~64:")-64-1])
	f.Fuzz(func(t *testing.T, signed []byte) {
		signature := account.Sign(signed)
		text := append(bencode.AppendPair(bytes.Clone(signed), signatureKey, signature[:]), 'e')
		read, err := parseLink(account.Ed25519Public(), text)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, accountkeys.ErrPublicKey) {
				t.Fatal(err)
			}
			return
		}
		record := read.Device.Record.Bytes()
		again, err := ParseRecord(record)
		if err != nil || !bytes.Equal(again.Bytes(), record) {
			t.Fatalf("%q became %q: %v", text, record, err)
		}
	})
}

func ExampleSeal() {
	g := group(device(1), device(2), gone(3, Kicked, 2000))
	message, err := Seal(testRandom("example"), account, groupID, g)
	if err != nil {
		fmt.Println(err)
	}
	s, err := Parse(account.Ed25519Public(), message)
	if err != nil {
		fmt.Println(err)
	}
	opened, err := s.Open(deviceKey(2))
	fmt.Println(len(message), len(opened.Devices), s.HasKicked(account, DeviceID{3}), err)
	// Output: 13463 3 true <nil>
}

func ExampleGroupID_Emoji() {
	fmt.Println(GroupID{1}.Emoji())
	// Output: [🏆 🐼 🎸 ⚓]
}
