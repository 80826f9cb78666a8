package clocks

import (
	"runtime"
	"testing"
	"time"
)

func TestParseUptime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"350735.47 234388.90\n": 350_735_470 * time.Millisecond, "0.00 0.00\n": 0, "": -1, "5": -1, "x y": -1,
		"-1 5": -1, "NaN 5": -1, "1e300 5": -1,
	} {
		if got, ok := parseUptime([]byte(text)); ok != (want >= 0) || ok && got.Round(time.Millisecond) != want {
			t.Errorf("%q is %s, %v", text, got, ok)
		}
	}
}

func FuzzParseUptime(f *testing.F) {
	f.Add([]byte("350735.47 234388.90\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if since, ok := parseUptime(text); since < 0 || !ok && since != 0 {
			t.Errorf("%q is %s, %v", text, since, ok)
		}
	})
}

func TestSinceBoot(t *testing.T) {
	before, ok := SinceBoot()
	if !ok {
		if runtime.GOOS == "linux" {
			t.Error("Linux does not say it")
		}
		return
	}
	if after, ok := SinceBoot(); !ok || after < before {
		t.Errorf("first %s, then %s, %v", before, after, ok)
	}
}
