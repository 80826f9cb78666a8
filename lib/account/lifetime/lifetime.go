// Package lifetime is the clock by which an account forgets: what was seen, used message keys, old prekeys.
//
// The clock of a machine moves: one without a battery boots in the past, and the network's time then sets it forward by
// weeks. What was stored a minute before must not count as weeks old. So this clock never goes back, and advances by at
// most a day at a time: what is kept by it is kept too long rather than too short.
package lifetime

import (
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
)

// Table is the table with the clock.
const Table keystore.Table = "lifetime" // clockKey -> clock

const clockKey = "clock"

// Day is the largest advance, and the smallest: the clock stands still for less.
const Day = 24 * time.Hour

// clock is the stored form.
type clock struct {
	Now  time.Time `json:"now"`
	Wall time.Time `json:"wall"` // the machine's clock at the last change
}

// Now returns the time of this clock. Before the first Advance that is the machine's.
func Now(tx *keystore.Tx, wall time.Time) (time.Time, error) {
	var c clock
	found, err := tables.Get(tx, Table, clockKey, &c)
	if !found {
		return wall, err
	}
	return c.Now, err
}

// Advance sets the clock by the machine's, and returns its time. It writes only if the machine's clock has moved by a
// day or more, or back.
func Advance(tx *keystore.Tx, wall time.Time) (now time.Time, err error) {
	var c clock
	found, err := tables.Get(tx, Table, clockKey, &c)
	if err != nil {
		return now, err
	}
	passed := wall.Sub(c.Wall)
	switch {
	case !found:
		c.Now = wall.UTC()
	case passed >= Day:
		c.Now = c.Now.Add(Day)
	case passed >= 0:
		return c.Now, nil
	}
	c.Wall = wall.UTC()
	return c.Now, tables.Put(tx, Table, clockKey, c)
}
