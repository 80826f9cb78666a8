package replication

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/rpc20"
)

// sample is a message of storage RPC 2.0.
var sample = store.NewMessage20(rpc20.StoreParams{
	PubKey:    "05" + strings.Repeat("ab", 32),
	TTL:       "86400000",
	Timestamp: "1795391232497",
	Nonce:     "AAAAAAAAAS0=",
	Data:      "Zmlyc3QgbWVzc2FnZQ==",
})

// FuzzPeerAnswers reads what a member may answer: names, digests, fetched records and the result of a push.
func FuzzPeerAnswers(f *testing.F) {
	f.Add(appendNames(nil, []store.Name{store.NameOf(sample)}))
	f.Add(appendListed(nil, []listed{{store.NameOf(sample), store.Version{Number: 1, Deleted: true}}}))
	one := store.AppendRecords(nil, store.Record{Name: store.NameOf(sample), Message: sample})
	f.Add(append([]byte{0, 0, 0, 1}, one...))
	f.Add(make([]byte, store.DigestSlots*store.DigestSize))
	f.Add([]byte(`{"stored":1,"refused":0}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if names, err := parseNames(body); err == nil && !bytes.Equal(appendNames(nil, names), body) {
			t.Errorf("%x is read as names, but written otherwise", body)
		}
		if sums, err := parseDigests(body); err == nil {
			if _, count := sums.Differing(sums); count != 0 {
				t.Error("digests differ from themselves")
			}
		}
		if list, err := parseListed(body); err == nil && !bytes.Equal(appendListed(nil, list), body) {
			t.Errorf("%x is read as a list, but written otherwise", body)
		}
		records, taken, err := parseFetched(body, 10)
		if err == nil && (taken < 1 || taken > 10 || len(records) > taken) {
			t.Errorf("%d messages of %d asked for", len(records), taken)
		}
		if counts, err := parsePushAnswer(body); err != nil && counts.Stored != 0 {
			t.Errorf("an answer that cannot be read counts %d", counts.Stored)
		}
	})
}

// FuzzPushedRecords reads any body as pushed records: an accepted one is a message with the hash of its texts.
func FuzzPushedRecords(f *testing.F) {
	m := store.NewMessage28(sample.PubKey, 0, 1795391232497, 86400000, []byte("first message"))
	record := store.Record{Name: store.NameOf(m), Message: m}
	record.Version.Expiration = m.ExpirationMillis()
	f.Add(store.AppendRecords(nil, record))
	f.Add(store.AppendRecords(nil, store.Record{Name: store.NameOf(sample), Message: sample}))
	own := ring.KeysFromSeed([32]byte{1}).Name()
	key := strings.Repeat("ab", 32)
	view, err := ring.NewView(&nodelist.Result{States: []nodelist.State{{
		PubkeyLegacy: own, PubkeyEd25519: own, PubkeyX25519: key, PublicIP: "192.0.2.1", StoragePort: 1, SwarmID: 5,
	}}}, own)
	if err != nil {
		f.Fatal(err)
	}
	unsigned := func(string, []byte) (Request, error) { return nil, errors.New("no request is signed here") }
	rep := &Replication{difficulty: func(int64) uint64 { return 1 }, request: unsigned}
	check := &recordCheck{rep: rep, view: view, now: time.UnixMilli(1795391232497)}
	if !check.accepts(record) {
		f.Fatal("the sample is not accepted")
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		records, err := store.DecodeRecords(body)
		if err != nil {
			return
		}
		for _, r := range records {
			m := r.Message
			if check.accepts(r) && store.NewMessage20(m.Params20()) != m && !m.Canonical() {
				t.Errorf("accepted %v, which is not what its texts say", m)
			}
		}
	})
}
