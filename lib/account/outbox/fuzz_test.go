package outbox

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sessiontool/keystore"
)

// FuzzDecode reads any value as an entry: it is refused as damaged or newer, or it is written back the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"kind":"text","to":"05` + strings.Repeat("ab", 32) + `","data":"eA==","receipt":{"ok":true,"nodes":[{"ok":true}]}}`))
	f.Add([]byte(`{"version":99}`))
	f.Add([]byte(`{"receipt":{"nodes":null}}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		entry, err := Decode(7, value)
		if err != nil {
			if !errors.Is(err, keystore.ErrCorrupt) && !errors.Is(err, keystore.ErrVersion) {
				t.Errorf("%q: %v", value, err)
			}
			return
		}
		if entry.To.IsZero() {
			return // never written
		}
		written, err := Encode(entry)
		if err != nil {
			return // a time that JSON cannot write
		}
		again, err := Decode(7, written)
		if err != nil {
			t.Fatalf("%q is %+v, and then refused: %v", value, entry, err)
		}
		if twice, err := Encode(again); err != nil || !bytes.Equal(twice, written) {
			t.Errorf("%q is written as %q and then as %q, %v", value, written, twice, err)
		}
	})
}
