package forward

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"sessiontool/lib/storage/rpc28"
)

var sampleStore = Store{
	At: 1795391232497, Owner: [33]byte{5, 1, 32: 255}, Namespace: -10, Timestamp: 1795391232000, TTL: 86400000,
	Data: []byte("x\x00y"),
}

var sampleStored = Stored{Already: true, Expiry: 1795477632000, Hash: [32]byte{1}, Signature: [64]byte{2, 63: 3}}

func TestStore(t *testing.T) {
	text := sampleStore.Encode()
	if got, ok := ParseStore(text); !ok || !reflect.DeepEqual(got, sampleStore) {
		t.Errorf("%+v, %t", got, ok)
	}
	for _, bad := range [][]byte{nil, {mark}, text[:storeHead-1], []byte(`{"method":"store"}`), sampleStore.JSON()} {
		if got, ok := ParseStore(bad); ok {
			t.Errorf("%q is read as %+v", bad, got)
		}
	}
	var call struct {
		Method string
		Params rpc28.StoreParams
		At     int64
	}
	if err := json.Unmarshal(sampleStore.JSON(), &call); err != nil || call.Method != "store" || call.At != sampleStore.At {
		t.Errorf("%s: %v", sampleStore.JSON(), err)
	}
	want := rpc28.StoreParams{
		Pubkey: "0501" + strings.Repeat("00", 30) + "ff", Namespace: -10, Timestamp: 1795391232000, TTL: 86400000, Data: "eAB5",
	}
	if call.Params != want {
		t.Errorf("%+v, want %+v", call.Params, want)
	}
}

// A member's result reads the same from both forms.
func TestStored(t *testing.T) {
	got, ok := readResult(sampleStored.Encode())
	text, err := json.Marshal(sampleStored.Result())
	if err != nil {
		t.Fatal(err)
	}
	if want, fine := readResult(text); !ok || !fine || !reflect.DeepEqual(got, want) || got.Expiry[0] != sampleStored.Expiry {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, bad := range []string{"", "{}", `{"hash":"x"}`, "\x00", string(sampleStored.Encode()) + "x",
		"\x00\x02" + string(sampleStored.Encode()[2:])} {
		if got, ok := readResult([]byte(bad)); ok {
			t.Errorf("%q is read as %+v", bad, got)
		}
	}
}

// Whatever arrives is refused, or it encodes to the same bytes.
func FuzzStores(f *testing.F) {
	f.Add(sampleStore.Encode())
	f.Add(sampleStored.Encode())
	f.Add([]byte(`{"hash":"x","signature":"y"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if result, ok := readResult(data); ok && result.Signature == "" {
			t.Errorf("%q is read as %+v", data, result)
		}
		if s, ok := ParseStore(data); ok && string(s.Encode()) != string(data) {
			t.Errorf("%q became %+v", data, s)
		}
		if s, ok := ParseStored(data); ok && string(s.Encode()) != string(data) {
			t.Errorf("%q became %+v", data, s)
		}
	})
}
