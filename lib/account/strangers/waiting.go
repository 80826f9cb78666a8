package strangers

import (
	"slices"

	"sessiontool/lib/account/tables"
	"sessiontool/lib/sessionid"
)

// Stranger is one whose friend request waits, with what is kept of its messages.
type Stranger struct {
	ID    sessionid.ID `json:"id"`
	Kept  []Message    `json:"kept,omitempty"`
	Bytes int          `json:"bytes,omitempty"`
}

// Message is a kept message: its sequence number in the inbox, and the name under which its repetition is recognised.
type Message struct {
	Seq   uint64 `json:"seq"`
	Trace string `json:"trace"`
}

// waiting is the list of strangers whose request waits, oldest first. It is read at the first question. Users answer
// requests without this package, so a stranger on the list may be a friend by now.
type waiting struct {
	list            []Stranger
	loaded, changed bool
}

// Contacts is what this package asks of an account's contacts.
type Contacts interface {
	// Waits reports whether a contact is a stranger whose request waits for an answer.
	Waits(id sessionid.ID) (bool, error)
	// AllWaiting lists all such contacts, the oldest request first. It is called once for each keystore.
	AllWaiting() ([]sessionid.ID, error)
	// Forget deletes a contact and what is kept of its messages.
	Forget(stranger Stranger) error
}

// Ask puts a stranger with a new request at the end of the list.
func (b *Book) Ask(id sessionid.ID, contacts Contacts) error {
	if err := b.loadWaiting(contacts); err != nil {
		return err
	}
	w := &b.waiting
	w.list = slices.DeleteFunc(w.list, func(s Stranger) bool { return s.ID == id })
	w.list, w.changed = append(w.list, Stranger{ID: id}), true
	return nil
}

// Room reports whether one more message of a stranger whose request waits may be kept, if most is the largest number of
// kept messages: [MaxAsked] for a request, [MaxKept] for a text.
func (b *Book) Room(id sessionid.ID, most int, contacts Contacts) (bool, error) {
	if err := b.loadWaiting(contacts); err != nil {
		return false, err
	}
	s := b.stranger(id)
	return len(s.Kept) < most && s.Bytes < MaxKeptBytes, nil
}

// Keep records a message of size bytes that is kept of a stranger whose request waits.
func (b *Book) Keep(id sessionid.ID, message Message, size int, contacts Contacts) error {
	if err := b.loadWaiting(contacts); err != nil {
		return err
	}
	s := b.stranger(id)
	s.Kept, s.Bytes = append(s.Kept, message), s.Bytes+size
	b.waiting.changed = true
	return nil
}

// KeptOf returns what is kept of a stranger whose request waits.
func (b *Book) KeptOf(id sessionid.ID, contacts Contacts) ([]Message, error) {
	if err := b.loadWaiting(contacts); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(b.waiting.list, func(s Stranger) bool { return s.ID == id })
	if i < 0 {
		return nil, nil
	}
	return b.waiting.list[i].Kept, nil
}

// stranger returns the entry of a stranger, which it adds if there is none.
func (b *Book) stranger(id sessionid.ID) *Stranger {
	w := &b.waiting
	i := slices.IndexFunc(w.list, func(s Stranger) bool { return s.ID == id })
	if i < 0 {
		i = len(w.list)
		w.list, w.changed = append(w.list, Stranger{ID: id}), true
	}
	return &w.list[i]
}

// MakeRoom forgets the strangers with the oldest requests until the bounds hold, and counts them in the report.
func (b *Book) MakeRoom(contacts Contacts) error {
	w := &b.waiting
	if !w.changed || !w.over() {
		return nil
	}
	var waits []Stranger
	for _, s := range w.list {
		is, err := contacts.Waits(s.ID)
		if err != nil {
			return err
		}
		if is {
			waits = append(waits, s)
		}
	}
	w.list = waits
	forgotten := 0
	for ; w.over(); forgotten++ {
		if err := contacts.Forget(w.list[0]); err != nil {
			return err
		}
		w.list = w.list[1:]
	}
	return b.Dropped(forgotten, 0)
}

// over reports whether a bound is exceeded.
func (w *waiting) over() bool {
	size := 0
	for _, s := range w.list {
		size += s.Bytes
	}
	return len(w.list) > MaxWaiting || size > MaxWaitingBytes && len(w.list) > 1
}

func (b *Book) loadWaiting(contacts Contacts) error {
	w := &b.waiting
	if w.loaded {
		return nil
	}
	found, err := tables.Get(b.tx, Table, nameWaiting, &w.list)
	if err != nil {
		return err
	}
	if !found {
		all, err := contacts.AllWaiting()
		if err != nil {
			return err
		}
		for _, id := range all {
			w.list = append(w.list, Stranger{ID: id})
		}
	}
	w.loaded = true
	return nil
}

func (b *Book) saveWaiting() error {
	if !b.waiting.changed {
		return nil
	}
	b.waiting.changed = false
	return tables.Put(b.tx, Table, nameWaiting, b.waiting.list)
}
