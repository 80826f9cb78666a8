package devicegroup

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/internal/bencode"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// recording is v2_device_group.json.
type recording struct {
	Groups []struct {
		Name       string      `json:"name"`
		Account    vectors.Hex `json:"account_ed25519_seed"`
		GroupID    vectors.Hex `json:"group_id"`
		DeviceKeys []struct {
			ID   vectors.Hex `json:"device_id"`
			Seed vectors.Hex `json:"device_key_seed"`
		} `json:"device_keys"`
		Ephemeral   vectors.Hex     `json:"a"`
		EphemeralP  vectors.Hex     `json:"A"` // or its value would go to the field above
		Coins       []vectors.Hex   `json:"mlkem_coins"`
		KeyBase     vectors.Hex     `json:"key_base"`
		Slots       []int           `json:"slots"`
		KickedSlots []int           `json:"kicked_slots"`
		LinkKey     vectors.Hex     `json:"link_x25519"`
		Inner       vectors.Hex     `json:"inner_payload"`
		PaddedLen   int             `json:"padded_len"`
		Message     vectors.Hex     `json:"message"`
		Answer      recordedAnswer  `json:"answer_device1"`
		NamesKicked map[string]bool `json:"names_kicked"`
	} `json:"groups"`
	Failures []struct {
		Name    string         `json:"name"`
		Account vectors.Hex    `json:"account_ed25519_pub"`
		Seeds   []vectors.Hex  `json:"device_key_seeds"`
		Message vectors.Hex    `json:"message"`
		Answer  recordedAnswer `json:"answer"`
	} `json:"failures"`
	PayloadDecode []struct {
		Name    string        `json:"name"`
		Payload vectors.Hex   `json:"payload"`
		OK      bool          `json:"ok"`
		Decoded recordedGroup `json:"decoded"`
	} `json:"payload_decode"`
	LinkRequests []struct {
		Name       string         `json:"name"`
		Account    vectors.Hex    `json:"account_ed25519_seed"`
		KeySeed    vectors.Hex    `json:"account_key_seed"`
		LinkKey    vectors.Hex    `json:"link_x25519"`
		Plaintext  vectors.Hex    `json:"plaintext"`
		Ephemeral  vectors.Hex    `json:"e"`
		EphemeralP vectors.Hex    `json:"E"` // or its value would go to the field above
		SASSeed    vectors.Hex    `json:"sas_seed"`
		Emoji      []int          `json:"emoji_indices"`
		Message    vectors.Hex    `json:"message"`
		Parsed     recordedDevice `json:"parsed"`
	} `json:"link_requests"`
	GroupIDs []struct {
		ID          vectors.Hex `json:"group_id"`
		Minutes     int64       `json:"created_minutes"`
		Account     vectors.Hex `json:"account_seed"`
		Ephemeral   vectors.Hex `json:"A"`
		Encrypted   vectors.Hex `json:"encrypted"`
		SASSeed     vectors.Hex `json:"sas_seed"`
		Emoji       []int       `json:"emoji_indices"`
		KickedFor   vectors.Hex `json:"kicked_entry_for_device"`
		KickedEntry vectors.Hex `json:"kicked_entry"`
	} `json:"group_ids"`
}

type recordedAnswer struct {
	OK        bool          `json:"ok"`
	Decrypted bool          `json:"decrypted"`
	Class     string        `json:"class"`
	Payload   recordedGroup `json:"payload"`
}

type recordedGroup struct {
	Devices     []recordedDevice `json:"devices"`
	AccountKeys []struct {
		Seed    vectors.Hex `json:"seed"`
		Created int64       `json:"created"`
		Rotated int64       `json:"rotated"`
	} `json:"account_keys"`
}

type recordedDevice struct {
	ID          string            `json:"id"`
	State       string            `json:"state"`
	RemovedAt   int64             `json:"removed_at"`
	SeqNo       int64             `json:"seqno"`
	Timestamp   int64             `json:"timestamp"`
	Type        string            `json:"type"`
	Description string            `json:"description"`
	Version     []int64           `json:"version"`
	X25519      vectors.Hex       `json:"x25519_pub"`
	KEMFirst8   vectors.Hex       `json:"mlkem768_pub_first8"`
	Extra       map[string]string `json:"extra_hexkey_to_bt"`
	Digest      vectors.Hex       `json:"digest"`
}

func (want recordedDevice) check(t *testing.T, got Device) {
	t.Helper()
	if got.ID.String() != want.ID || got.State.String() != want.State || got.GoneAt != want.RemovedAt {
		t.Errorf("device %s %s %d; recorded %s %s %d", got.ID, got.State, got.GoneAt, want.ID, want.State,
			want.RemovedAt)
	}
	if got.IsGone() {
		return
	}
	r := got.Record
	version := fmt.Sprintf("%d.%d.%d", want.Version[0], want.Version[1], want.Version[2])
	if r.SeqNo != want.SeqNo || r.Updated != want.Timestamp || r.Type != want.Type ||
		r.Description != want.Description || r.VersionText() != version ||
		!bytes.Equal(r.X25519[:], want.X25519) || !bytes.Equal(r.KEM[:8], want.KEMFirst8) {
		t.Errorf("record %+v; recorded %+v", r, want)
	}
	if !bytes.Equal(r.digest(), want.Digest) {
		t.Errorf("digest %x, recorded %x", r.digest(), want.Digest)
	}
	extra := map[string]string{}
	for _, field := range r.Extra {
		extra[hex.EncodeToString([]byte(field.Key))] = hex.EncodeToString(field.Value)
	}
	if fmt.Sprint(extra) != fmt.Sprint(want.Extra) {
		t.Errorf("unknown keys %v, recorded %v", extra, want.Extra)
	}
}

func (want recordedGroup) check(t *testing.T, got Group) {
	t.Helper()
	if len(got.Devices) != len(want.Devices) || len(got.Keys) != len(want.AccountKeys) {
		t.Fatalf("%d devices and %d keys, recorded %d and %d",
			len(got.Devices), len(got.Keys), len(want.Devices), len(want.AccountKeys))
	}
	for _, device := range want.Devices { // the recorded list is sorted, the message may not be
		i := slices.IndexFunc(got.Devices, func(d Device) bool { return d.ID.String() == device.ID })
		if i < 0 {
			t.Fatalf("no device %s", device.ID)
		}
		device.check(t, got.Devices[i])
	}
	for i, key := range want.AccountKeys {
		if got.Keys[i] != (accountkeys.Entry{Seed: accountkeys.Seed(key.Seed), Created: key.Created,
			Rotated: key.Rotated}) {
			t.Errorf("account key %d differs", i)
		}
	}
}

// keysOf returns the long-term keys of a recorded account, whose seed has 32 bytes.
func keysOf(seed []byte) sessionid.Keys {
	digest := sha512.Sum512(seed)
	return sessionid.Keys{
		Ed25519: sessionid.SigningKey(ed25519.NewKeyFromSeed(seed)),
		X25519:  x25519.NewKeyPair(x25519.Clamp(x25519.PrivateKey(digest[:32]))),
	}
}

// Every recorded message is made from its choices, byte for byte, and read by each of its devices.
func TestVectorsGroups(t *testing.T) {
	var recorded recording
	vectors.Load(t, "v2_device_group.json", &recorded)
	for _, c := range recorded.Groups {
		t.Run(c.Name, func(t *testing.T) {
			account := keysOf(c.Account)
			group, err := decode(c.Inner)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := group.encode(); err != nil || !bytes.Equal(text, c.Inner) {
				t.Errorf("the encoded group differs (%v)", err)
			}
			if got := paddedPayload(len(c.Inner)); got != c.PaddedLen {
				t.Errorf("padded to %d, recorded %d", got, c.PaddedLen)
			}

			// What stands in free places is random: it is taken from the message, the rest is made.
			dict := bencode.Open(c.Message)
			choices := &choices{
				ephemeral: c.Ephemeral.Array32(t), keyBase: c.KeyBase.Array32(t), slots: c.Slots,
				kickedSlots: c.KickedSlots,
				coins:       bytes.NewReader(bytes.Join(asBytes(c.Coins), nil)),
				ciphertexts: bytes.Clone(dict.Bytes(ciphertextsKey)), keys: bytes.Clone(dict.Bytes(keyEntriesKey)),
			}
			if dict.Find(kickedKey) {
				choices.kicked = bytes.Clone(dict.Bytes(kickedKey))
			}
			for _, slot := range c.Slots[:len(group.with(Registered))] {
				clear(choices.ciphertexts[slot*accountkeys.CiphertextSize:][:accountkeys.CiphertextSize])
				clear(choices.keys[slot*keyEntrySize:][:keyEntrySize])
			}
			for i := range group.with(Kicked) {
				clear(choices.kicked[c.KickedSlots[i]*kickedSize:][:kickedSize])
			}
			message, err := assemble(account, GroupID(c.GroupID), group, choices)
			if err != nil || !bytes.Equal(message, c.Message) {
				t.Errorf("the message differs (%v)", err)
			}

			sealed, err := Parse(account.Ed25519Public(), c.Message)
			if err != nil || KindOf(c.Message) != KindGroup {
				t.Fatal(err)
			}
			for i, key := range c.DeviceKeys {
				opened, err := sealed.Open(accountkeys.Seed(key.Seed).DeviceKey())
				if err != nil {
					t.Fatalf("device %d: %v", i, err)
				}
				c.Answer.Payload.check(t, opened)
			}
			if id, found := sealed.GroupID(account); !found || !bytes.Equal(id[:], c.GroupID) {
				t.Errorf("group id %s, %t", id, found)
			}
			if key, found := sealed.LinkKey(); !found || !bytes.Equal(key[:], c.LinkKey) {
				t.Errorf("link key %s, %t", key, found)
			}
			for id, kicked := range c.NamesKicked {
				raw, err := hex.DecodeString(id)
				if err != nil {
					t.Fatal(err)
				}
				if got := sealed.HasKicked(account, DeviceID(raw)); got != kicked {
					t.Errorf("device %s is kicked: %t", id, got)
				}
			}
		})
	}
	if len(recorded.Groups) == 0 {
		t.Error("no groups are recorded")
	}
}

func asBytes(list []vectors.Hex) (all [][]byte) {
	for _, item := range list {
		all = append(all, item)
	}
	return all
}

// Every recorded fault has the class that libsession gave it.
func TestVectorsFailures(t *testing.T) {
	var recorded recording
	vectors.Load(t, "v2_device_group.json", &recorded)
	for _, c := range recorded.Failures {
		t.Run(c.Name, func(t *testing.T) {
			var keys []*accountkeys.Key
			for _, seed := range c.Seeds {
				keys = append(keys, accountkeys.Seed(seed).DeviceKey())
			}
			sealed, err := Parse(c.Account.Array32(t), c.Message)
			if err == nil {
				_, err = sealed.Open(keys...)
			}
			want := map[string]error{"invalid": ErrMalformed, "decryption_failed": ErrNotMember}[c.Answer.Class]
			switch {
			case hasLowOrderEphemeral(c.Message): // our rule, whatever the answer is
				if !errors.Is(err, ErrNotMember) && !errors.Is(err, ErrMalformed) {
					t.Errorf("%v for an ephemeral key of low order", err)
				}
			case c.Answer.OK && err != nil:
				t.Errorf("%v, libsession reads the message", err)
			case !c.Answer.OK && c.Answer.Decrypted && !errors.Is(err, ErrPayload):
				t.Errorf("%v, libsession decrypts the message and refuses what is inside", err)
			case !c.Answer.OK && !c.Answer.Decrypted && (want == nil || !errors.Is(err, want)):
				t.Errorf("%v, recorded %s", err, c.Answer.Class)
			}
		})
	}
	if len(recorded.Failures) == 0 {
		t.Error("no failures are recorded")
	}
}

// hasLowOrderEphemeral computes from the data of a case whether our stricter rule applies to it.
func hasLowOrderEphemeral(message []byte) bool {
	dict := bencode.Open(message)
	ephemeral := x25519.PublicKey(dict.Sized(ephemeralKey, x25519.Size))
	_, err := x25519.PrivateKey{3}.DH(ephemeral)
	return dict.Err() == nil && err != nil
}

func TestVectorsPayloads(t *testing.T) {
	var recorded recording
	vectors.Load(t, "v2_device_group.json", &recorded)
	for _, c := range recorded.PayloadDecode {
		t.Run(c.Name, func(t *testing.T) {
			group, err := decode(c.Payload)
			if c.OK != (err == nil) || (err != nil && !errors.Is(err, ErrPayload)) {
				t.Fatalf("%v, recorded ok %t", err, c.OK)
			}
			if c.OK {
				c.Decoded.check(t, group)
			}
		})
	}
	if len(recorded.PayloadDecode) == 0 {
		t.Error("no payloads are recorded")
	}
}

func TestVectorsLinkRequests(t *testing.T) {
	var recorded recording
	vectors.Load(t, "v2_device_group.json", &recorded)
	for _, c := range recorded.LinkRequests {
		t.Run(c.Name, func(t *testing.T) {
			account, key := keysOf(c.Account), accountkeys.Seed(c.KeySeed).AccountKey()
			if x := key.Public().X25519(); !bytes.Equal(x[:], c.LinkKey) {
				t.Fatalf("link key %s", x)
			}
			other := accountkeys.Seed{1}.AccountKey()
			request, err := OpenLink(account, []*accountkeys.Key{other, key}, c.Message)
			if err != nil || KindOf(c.Message) != KindLink {
				t.Fatal(err)
			}
			c.Parsed.check(t, request.Device)
			if !bytes.Equal(request.text, c.Plaintext) {
				t.Error("the plaintext differs")
			}
			checkEmoji(t, request.emojiSeed(), request.Emoji(), c.SASSeed, c.Emoji)
			if _, err := OpenLink(account, []*accountkeys.Key{other}, c.Message); !errors.Is(err, ErrNotMember) {
				t.Errorf("with another key: %v", err)
			}

			message, made, err := RequestLink(
				bytes.NewReader(c.Ephemeral), account, key.Public().X25519(), request.Device)
			if err != nil || !bytes.Equal(message, c.Message) || !bytes.Equal(made.text, request.text) {
				t.Errorf("the made request differs (%v)", err)
			}
		})
	}
	if len(recorded.LinkRequests) == 0 {
		t.Error("no link requests are recorded")
	}
}

// checkEmoji compares a seed and the emoji made of it with the recorded ones.
func checkEmoji(t *testing.T, seed []byte, shown []Emoji, wantSeed []byte, want []int) {
	t.Helper()
	if !bytes.Equal(seed, wantSeed) {
		t.Errorf("seed %x, recorded %x", seed, wantSeed)
	}
	if got := indices(seed); !slices.Equal(got[:], want) {
		t.Errorf("digits %v, recorded %v", got, want)
	}
	for i, emoji := range shown {
		if emoji != emojiTable[want[i]] {
			t.Errorf("emoji %d is %s", i, emoji.Name)
		}
	}
}

func TestVectorsGroupIDs(t *testing.T) {
	var recorded recording
	vectors.Load(t, "v2_device_group.json", &recorded)
	for i, c := range recorded.GroupIDs {
		account, id, ephemeral := keysOf(c.Account), GroupID(c.ID), x25519.PublicKey(c.Ephemeral.Array32(t))
		if got := id.crypt(account, ephemeral); !bytes.Equal(got[:], c.Encrypted) {
			t.Errorf("case %d: encrypted %s", i, got)
		}
		if got := id.Created().Unix() / 60; got != c.Minutes {
			t.Errorf("case %d: created in minute %d", i, got)
		}
		checkEmoji(t, id.emojiSeed(), id.Emoji(), c.SASSeed, c.Emoji)
		if got := kickedEntry(account, ephemeral, c.KickedFor.Array32(t)); !bytes.Equal(got, c.KickedEntry) {
			t.Errorf("case %d: kicked entry %x", i, got)
		}
	}
	if len(recorded.GroupIDs) == 0 {
		t.Error("no group ids are recorded")
	}
}
