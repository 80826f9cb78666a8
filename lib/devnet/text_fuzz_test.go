package devnet

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzParseFault reads any fault of a command line: it is refused, or it is complete and a network can have it.
func FuzzParseFault(f *testing.F) {
	for _, text := range []string{"stop", "delay,delay=1s,jitter=5ms,node=ab", "drop,share=0.5,requests=store",
		"partition,group=2", "skew,skew=-1h", "delay,delay=9999999999h", "drop,share=NaN"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fault, _, err := ParseFault(text)
		if err != nil {
			if !errors.Is(err, ErrFault) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		complete, err := fault.complete()
		if again, againErr := complete.complete(); err != nil || againErr != nil || again != complete {
			t.Errorf("%q: %+v, %v, then %+v, %v", text, complete, err, again, againErr)
		}
	})
}

// FuzzControlFile reads any control.json.
func FuzzControlFile(f *testing.F) {
	f.Add([]byte(`{"url":"http://127.0.0.1:1","token":"x"}`))
	f.Add([]byte(`{"url":7}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, controlFile), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if remote, err := Connect(dir); (err == nil) != (remote != nil) || err != nil && !errors.Is(err, ErrControl) {
			t.Errorf("%q: %v, %v", content, remote, err)
		}
	})
}
