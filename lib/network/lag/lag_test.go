package lag

import (
	"testing"
	"time"
)

const years = 10 * 365 * 24 * time.Hour

func TestWords(t *testing.T) {
	for offset, want := range map[time.Duration]string{
		0: "right", 300 * time.Millisecond: "right", time.Hour + 872*time.Millisecond: "1 h behind",
		time.Hour:  "1 h behind",
		-time.Hour: "1 h ahead", -90 * time.Minute: "1 h 30 min ahead", 26*time.Hour + time.Second: "1 day 2 h behind",
		years: "10 years behind", years - 800*time.Millisecond: "10 years behind", 3599 * time.Second: "1 h behind",
		-years - 3*24*time.Hour - 5*time.Hour: "10 years 3 days ahead", 59600 * time.Millisecond: "1 min behind",
	} {
		if got := Words(offset); got != want {
			t.Errorf("%s is %q, want %q", offset, got, want)
		}
	}
}
