// Package lag says in words how wrong a clock is.
package lag

import (
	"fmt"
	"time"
)

// Words returns in words the error of a clock when the network's is offset ahead: "1 h behind", "10 years 3 days ahead",
// or "right". It gives the largest unit and the one below it.
func Words(offset time.Duration) string {
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	left := offset.Abs().Round(time.Second)
	for _, round := range [][2]time.Duration{{time.Hour, time.Minute}, {day, time.Hour}, {year, day}} {
		if rounded := left.Round(round[1]); rounded >= round[0] {
			left = rounded
		}
	}
	if left == 0 {
		return "right"
	}
	text, given := "", 0
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"year", year}, {"day", day}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}} {
		count := left / unit.size
		if left -= count * unit.size; given == 2 || given == 0 && count == 0 {
			continue
		}
		if given++; count == 0 {
			continue
		}
		name := unit.name
		if count != 1 && unit.size >= day {
			name += "s"
		}
		text += fmt.Sprintf("%d %s ", count, name)
	}
	if offset > 0 {
		return text + "behind"
	}
	return text + "ahead"
}
