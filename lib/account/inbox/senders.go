package inbox

import (
	"cmp"
	"slices"

	"sessiontool/keystore"
	"sessiontool/lib/sessionid"
)

// DropFrom marks the events of an ID that wait for delivery as delivered.
func DropFrom(tx *keystore.Tx, id sessionid.ID) error {
	waiting, err := Undelivered(tx, func(string) bool { return true })
	if err == nil {
		err = Locate(tx, waiting)
	}
	if err != nil {
		return err
	}
	waiting = slices.DeleteFunc(waiting, func(w Waiting) bool { return w.From != id })
	for _, one := range waiting {
		err = cmp.Or(err, Delivered(tx, Event{Seq: one.Seq}))
	}
	return err
}

// NameSenders fills in the user's names of the senders of events. It asks name once for each sender.
func NameSenders(events []Event, name func(sessionid.ID) (string, error)) (err error) {
	known := make(map[sessionid.ID]string)
	for i := range events {
		from := events[i].From
		if from.IsZero() {
			continue
		}
		if _, found := known[from]; !found {
			if known[from], err = name(from); err != nil {
				return err
			}
		}
		events[i].Name = known[from]
	}
	return nil
}
