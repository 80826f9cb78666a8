package rpc28_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"sessiontool/lib/storage/rpc28"
)

func TestHasResults(t *testing.T) {
	for status, want := range map[int]bool{
		200: true, 500: true, 401: false, 406: false, 421: false, 503: false, 504: false,
	} {
		if rpc28.HasResults(status) != want {
			t.Errorf("%d: %v", status, !want)
		}
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(fmt.Errorf("what was read cannot be written: %w", err))
	}
	return string(text)
}
