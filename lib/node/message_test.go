package node

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"sessiontool/lib/rpc"
)

var someMessage = newMessage(rpc.StoreParams{
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
		{strings.Repeat("0", maxNumberText), 0, true},
		{strings.Repeat("0", maxNumberText+1), 0, false},
	} {
		if got, ok := leadingNumber(test.text); ok != test.ok || ok && got != test.want {
			t.Errorf("%q is %d, %v; want %d, %v", test.text, got, ok, test.want, test.ok)
		}
	}
}

// What clients of 2020 may store, and today's client shall see somehow.
func TestTodayViewOfOldMessages(t *testing.T) {
	old := func(pubKey, data string) message { return newMessage(rpc.StoreParams{PubKey: pubKey, Data: data}) }
	key := someMessage.PubKey
	for _, test := range []struct {
		name string
		m    message
		data string
	}{
		{"base64", old(key, "eHk="), "xy"},
		{"base64 without padding", old(key, "eHk"), "xy"},
		{"no base64", old(key, "<xy>"), "<xy>"},
		{"nothing", old(key, ""), ""},
	} {
		if got := string(test.m.todayData()); got != test.data {
			t.Errorf("%s: data %q, want %q", test.name, got, test.data)
		}
		if got, want := test.m.todayHash(), newTodayMessage(key, 0, 1, 1, []byte(test.data)).hashText(); got != want || len(got) != rpc.HashTextLength {
			t.Errorf("%s: hash %s, want %s", test.name, got, want)
		}
	}
	if m := old("zz"+key[2:], "eHk="); m.todayHash() != "" || newContent(m).alias != nil {
		t.Errorf("a key that is none has the hash %q", m.todayHash())
	}
}

func TestEncodedMessageRoundTrip(t *testing.T) {
	empty := newMessage(rpc.StoreParams{PubKey: someMessage.PubKey})
	today := newTodayMessage(someMessage.PubKey, -11, 1795391232497, 86400000, []byte("today"))
	gone := record{name: nameOf(today), life: life{version: 7, expiration: 8, deleted: true}}
	want := []record{stored(someMessage), stored(empty), gone, stored(today)}
	var encoded []byte
	for _, r := range want {
		encoded = appendRecord(encoded, r)
	}
	decoded, err := decodeRecords(encoded)
	if err != nil || !slices.Equal(decoded, want) {
		t.Fatalf("decoded %v, %v", decoded, err)
	}
	if size := someMessage.size() + empty.size() + today.size() + 4*lifeSize + nameSize; size != len(encoded) {
		t.Errorf("sizes add up to %d bytes, encoded are %d", size, len(encoded))
	}
}

func TestDecodeRefuses(t *testing.T) {
	with := func(change func(m *message)) []byte {
		m := someMessage
		change(&m)
		return appendRecord(nil, stored(m))
	}
	good := appendRecord(nil, stored(someMessage))
	gone := appendRecord(nil, record{name: nameOf(someMessage), life: life{deleted: true}})
	for name, encoded := range map[string][]byte{
		"short key":        with(func(m *message) { m.PubKey = m.PubKey[1:] }),
		"long key":         with(func(m *message) { m.PubKey += "0" }),
		"long ttl":         with(func(m *message) { m.TTL = strings.Repeat("1", maxNumberText+1) }),
		"long timestamp":   with(func(m *message) { m.Timestamp = strings.Repeat("1", maxNumberText+1) }),
		"long nonce":       with(func(m *message) { m.nonce = strings.Repeat("A", maxNumberText+1) }),
		"long data":        with(func(m *message) { m.Data = strings.Repeat("A", rpc.MaxDataBytes+1) }),
		"data not UTF-8":   with(func(m *message) { m.Data = "\xff" }),
		"cut off":          good[:len(good)-1],
		"cut in the hash":  good[:10],
		"something behind": append(bytes.Clone(good), 0),
		"endless length":   append(bytes.Clone(good[:lifeSize+66]), 0xff, 0xff, 0xff, 0xff),
		"cut in the life":  good[:lifeSize-1],
		"unknown life":     append(append(bytes.Clone(good[:lifeSize-1]), 2), good[lifeSize:]...),
		"negative time":    append(append(bytes.Clone(good[:8]), 0x80), good[9:]...),
		"cut in a name":    gone[:len(gone)-1],
	} {
		if _, err := decodeRecords(encoded); !errors.Is(err, errMessage) && !errors.Is(err, errLife) {
			t.Errorf("%s: %v, want errMessage or errLife", name, err)
		}
	}
}

// Whatever a peer sends either decodes to records that encode to the same bytes, or is refused.
func FuzzDecodeRecords(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendRecord(nil, stored(someMessage)))
	f.Add(appendRecord(appendRecord(nil, stored(someMessage)), stored(newMessage(rpc.StoreParams{PubKey: someMessage.PubKey}))))
	f.Add(appendRecord(nil, record{name: nameOf(someMessage), life: life{version: 1, expiration: 2, deleted: true}}))
	f.Fuzz(func(t *testing.T, batch []byte) {
		records, err := decodeRecords(batch)
		if err != nil {
			return
		}
		var encoded []byte
		for _, r := range records {
			encoded = appendRecord(encoded, r)
		}
		if !bytes.Equal(encoded, batch) {
			t.Errorf("%x decodes, but encodes to %x", batch, encoded)
		}
	})
}
