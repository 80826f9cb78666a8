package clocks

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// SinceBoot returns how long this machine runs, the time that it was asleep included. It does not change when the user
// sets the clock. It returns false where the system does not say it, as it does on Linux.
func SinceBoot() (time.Duration, bool) {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, false
	}
	return parseUptime(text)
}

// parseUptime reads the seconds at the start of /proc/uptime (proc(5)).
func parseUptime(text []byte) (time.Duration, bool) {
	number, _, found := bytes.Cut(text, []byte(" "))
	seconds, err := strconv.ParseFloat(string(number), 64)
	if !found || err != nil || !(seconds >= 0 && seconds < 1e9) {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
