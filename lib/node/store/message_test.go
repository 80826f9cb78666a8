package store

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
)

var someMessage = NewMessage20(rpc20.StoreParams{
	PubKey:    "05" + strings.Repeat("ab", 32),
	TTL:       "86400000",
	Timestamp: "1795391232497",
	Nonce:     "AAAAAAAAAS0=",
	Data:      "Zmlyc3QgbWVzc2FnZQ==",
})

// The 2020 server reads ttl with stoi and timestamp with stoull, and hashes them as sent (storage-2.0.md section 2.4).
func TestLeadingNumber(t *testing.T) {
	for _, test := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"86400000", 86400000, true},
		{"086400000", 86400000, true},
		{" \t86400000", 86400000, true},
		{"+86400000", 86400000, true},
		{"86400000abc", 86400000, true},
		{"86400000.9", 86400000, true},
		{"", 0, false},
		{"abc", 0, false},
		{"+", 0, false},
		{"-86400000", 0, false},
		{"99999999999999999999", 0, false},
		{strings.Repeat("0", MaxNumberText), 0, true},
		{strings.Repeat("0", MaxNumberText+1), 0, false},
	} {
		if got, ok := leadingNumber(test.text); ok != test.ok || ok && got != test.want {
			t.Errorf("%q is %d, %v; want %d, %v", test.text, got, ok, test.want, test.ok)
		}
	}
}

// A client of storage RPC 2.8 sees every message that a client of 2.0 may store.
func Test28ViewOfOldMessages(t *testing.T) {
	old := func(pubKey, data string) Message { return NewMessage20(rpc20.StoreParams{PubKey: pubKey, Data: data}) }
	key := someMessage.PubKey
	for _, test := range []struct {
		name string
		m    Message
		data string
	}{
		{"base64", old(key, "eHk="), "xy"},
		{"base64 without padding", old(key, "eHk"), "xy"},
		{"no base64", old(key, "<xy>"), "<xy>"},
		{"nothing", old(key, ""), ""},
	} {
		if got := string(test.m.data28()); got != test.data {
			t.Errorf("%s: data %q, want %q", test.name, got, test.data)
		}
		got, want := test.m.Hash28(), NewMessage28(key, 0, 1, 1, []byte(test.data)).HashText()
		if got != want || len(got) != rpc28.HashTextLength {
			t.Errorf("%s: hash %s, want %s", test.name, got, want)
		}
	}
	if m := old("zz"+key[2:], "eHk="); m.Hash28() != "" || newContent(m).alias != nil {
		t.Errorf("a key that is none has the hash %q", m.Hash28())
	}
}

func TestEncodedMessageRoundTrip(t *testing.T) {
	empty := NewMessage20(rpc20.StoreParams{PubKey: someMessage.PubKey})
	message28 := NewMessage28(someMessage.PubKey, -11, 1795391232497, 86400000, []byte("today"))
	gone := Record{Name: NameOf(message28), Version: Version{Number: 7, Expiration: 8, Deleted: true}}
	want := []Record{stored(someMessage), stored(empty), gone, stored(message28)}
	encoded := AppendRecords(nil, want...)
	decoded, err := DecodeRecords(encoded)
	if err != nil || !reflect.DeepEqual(decoded, want) {
		t.Fatalf("decoded %v, %v", decoded, err)
	}
	size := someMessage.size() + empty.size() + message28.size() + 4*(1+VersionSize) + NameSize
	if size != len(encoded) {
		t.Errorf("sizes add up to %d bytes, encoded are %d", size, len(encoded))
	}
}

func TestDecodeRefuses(t *testing.T) {
	with := func(change func(m *Message)) []byte {
		m := someMessage
		change(&m)
		return AppendRecords(nil, stored(m))
	}
	good := AppendRecords(nil, stored(someMessage))
	gone := AppendRecords(nil, Record{Name: NameOf(someMessage), Version: Version{Deleted: true}})
	for name, encoded := range map[string][]byte{
		"short key":        with(func(m *Message) { m.PubKey = m.PubKey[1:] }),
		"long key":         with(func(m *Message) { m.PubKey += "0" }),
		"long ttl":         with(func(m *Message) { m.TTL = strings.Repeat("1", MaxNumberText+1) }),
		"long timestamp":   with(func(m *Message) { m.Timestamp = strings.Repeat("1", MaxNumberText+1) }),
		"long nonce":       with(func(m *Message) { m.nonce = strings.Repeat("A", MaxNumberText+1) }),
		"long data":        with(func(m *Message) { m.Data = strings.Repeat("A", storage.MaxDataBytes+1) }),
		"data not UTF-8":   with(func(m *Message) { m.Data = "\xff" }),
		"cut off":          good[:len(good)-1],
		"cut in the hash":  good[:10],
		"something behind": append(bytes.Clone(good), 0),
		"endless length":   append(bytes.Clone(good[:1+VersionSize+66]), 0xff, 0xff, 0xff, 0xff),
		"cut in the life":  good[:VersionSize],
		"unknown life":     append(append(bytes.Clone(good[:VersionSize]), 2), good[1+VersionSize:]...),
		"negative time":    append(append(bytes.Clone(good[:9]), 0x80), good[10:]...),
		"cut in a name":    gone[:len(gone)-1],
	} {
		if _, err := DecodeRecords(encoded); !errors.Is(err, errMessage) && !errors.Is(err, errVersion) {
			t.Errorf("%s: %v, want errMessage or errLife", name, err)
		}
	}
}

// Bytes of a peer are refused or decode to records that encode to the same bytes.
func FuzzDecodeRecords(f *testing.F) {
	f.Add([]byte{})
	f.Add(AppendRecords(nil, stored(someMessage)))
	empty := NewMessage20(rpc20.StoreParams{PubKey: someMessage.PubKey})
	f.Add(AppendRecords(nil, stored(someMessage), stored(empty)))
	tombstone := Version{Number: 1, Expiration: 2, Deleted: true}
	f.Add(AppendRecords(nil, Record{Name: NameOf(someMessage), Version: tombstone}))
	f.Fuzz(func(t *testing.T, batch []byte) {
		records, err := DecodeRecords(batch)
		if err != nil {
			return
		}
		encoded := AppendRecords(nil, records...)
		if !bytes.Equal(encoded, batch) {
			t.Errorf("%x decodes, but encodes to %x", batch, encoded)
		}
	})
}

// stored is the record of an unchanged message.
func stored(m Message) Record {
	return Record{Name: NameOf(m), Version: Version{Expiration: m.ExpirationMillis()}, Message: m}
}

// FuzzTables reads any values as those of the database: they are damaged, or have what they say.
func FuzzTables(f *testing.F) {
	f.Add(make([]byte, numberSize))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := parsePlace(b); err != nil && (!errors.Is(err, errDamage) || p != place{}) {
			t.Errorf("%x is the place %+v, %v", b, p, err)
		}
		expiration, alias, err := parseOrderValue(b)
		if err != nil && !errors.Is(err, errDamage) ||
			err == nil && !bytes.Equal(append(appendNumber(nil, uint64(expiration)), alias...), b) {
			t.Errorf("%x is %d and %x, %v", b, expiration, alias, err)
		}
		if hash, ok := parseHash28(string(b)); ok && !hash.Is28() {
			t.Errorf("%q is the hash %x", b, hash)
		}
	})
}
