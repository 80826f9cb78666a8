package inbox

import (
	"errors"
	"io/fs"
	"strconv"

	"sessiontool/keystore"
	"sessiontool/lib/sessionid"
)

// ErrNoEvent reports an ID that no received event has.
var ErrNoEvent = errors.New("no received record has that id")

// Acknowledged is what became of an event that is to be marked as delivered. Found is false if the inbox has no such
// event. Already reports that it waited no more.
type Acknowledged struct {
	ID             string
	Found, Already bool
	Event          Event // if it waited
}

// Acknowledge marks the events with these IDs as delivered, those that were set aside, too. It looks at the list of all
// waiting events for those alone that are not among the received messages, such as gaps.
func Acknowledge(tx *keystore.Tx, ids []string) ([]Acknowledged, error) {
	out := make([]Acknowledged, len(ids))
	rest := make(map[string][]int) // by ID: places in out
	for i, id := range ids {
		out[i].ID = id
		before, found, err := Before(tx, id)
		if err != nil {
			return nil, err
		}
		if !found || before.Event.Seq == 0 {
			rest[id] = append(rest[id], i)
			continue
		}
		_, waits, err := tx.Get(TableUndelivered, seqName(before.Event.Seq))
		if err == nil {
			err = tx.Delete(TableUndelivered, seqName(before.Event.Seq))
		}
		if err != nil {
			return nil, err
		}
		out[i].Found, out[i].Already = true, !waits
		if waits {
			out[i].Event = before.Event
		}
	}
	if len(rest) == 0 {
		return out, nil
	}
	return out, acknowledgeRest(tx, rest, out)
}

// acknowledgeRest looks for events among all that wait.
func acknowledgeRest(tx *keystore.Tx, rest map[string][]int, out []Acknowledged) error {
	return tx.ForEach(TableUndelivered, func(name string, _ []byte) error {
		if len(rest) == 0 {
			return fs.SkipAll
		}
		seq, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			return nil // eachMark reports it
		}
		event, found, err := Find(tx, seq)
		if err != nil || !found || rest[event.ID] == nil {
			return err
		}
		for _, i := range rest[event.ID] {
			out[i].Found, out[i].Event = true, event
		}
		delete(rest, event.ID)
		return tx.Delete(TableUndelivered, name)
	})
}

// Texts are the timestamps of texts of one sender.
type Texts struct {
	From         sessionid.ID
	TimestampsMS []uint64
}

// TextsBySender returns the texts among events by their senders, without those of the account itself and those that are
// set aside.
func TextsBySender(events []Event, self sessionid.ID) (all []Texts) {
	place := make(map[sessionid.ID]int)
	for _, event := range events {
		if event.Kind != EventMessage || event.From == self || event.TimestampMS <= 0 || event.SetAside {
			continue
		}
		i, found := place[event.From]
		if !found {
			i = len(all)
			place[event.From], all = i, append(all, Texts{From: event.From})
		}
		all[i].TimestampsMS = append(all[i].TimestampsMS, uint64(event.TimestampMS))
	}
	return all
}
