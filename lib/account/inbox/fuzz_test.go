package inbox

import (
	"bytes"
	"errors"
	"testing"

	"sessiontool/keystore"
)

// FuzzDecodeEvent reads any value as an event: it is refused as damaged or newer, or it is written back the same.
func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(`{"version":1,"kind":"message","text":"hi","timestamps":[1],"quote":{"timestamp_ms":1}}`))
	f.Add([]byte(`{"version":99}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		event, err := decodeEvent(7, value)
		if err != nil {
			if !errors.Is(err, keystore.ErrCorrupt) && !errors.Is(err, keystore.ErrVersion) {
				t.Errorf("%q: %v", value, err)
			}
			return
		}
		written, err := encodeEvent(event)
		if err != nil {
			return // a time that JSON cannot write
		}
		again, err := decodeEvent(7, written)
		if err != nil {
			t.Fatalf("%q is %+v, and then refused: %v", value, event, err)
		}
		if twice, err := encodeEvent(again); err != nil || !bytes.Equal(twice, written) {
			t.Errorf("%q is written as %q and then as %q, %v", value, written, twice, err)
		}
	})
}
