package strangers

import (
	"cmp"
	"slices"
	"time"

	"sessiontool/lib/account/tables"
	"sessiontool/lib/sessionid"
)

// Report counts what was not kept since the last report that was delivered.
type Report struct {
	Since time.Time `json:"since"`
	// Unopenable counts messages that could not be opened, by code, and Examples describes the first of them.
	Unopenable []Count   `json:"unopenable,omitempty"`
	Examples   []Example `json:"examples,omitempty"`
	// Requests counts friend requests that made room for newer ones, and Messages the further messages of strangers
	// whose request waits.
	Requests int `json:"requests,omitempty"`
	Messages int `json:"messages,omitempty"`
}

// Count is the number of messages that could not be opened for one reason.
type Count struct {
	Code     string `json:"code"`
	Messages int    `json:"messages"`
}

// Example is a message that could not be opened. Hash is the node's name for it. From is its sender, zero if that is
// not known; Claimed means that it is not authenticated.
type Example struct {
	Code    string       `json:"code"`
	Hash    string       `json:"hash,omitempty"`
	From    sessionid.ID `json:"from,omitzero"`
	Claimed bool         `json:"claimed,omitempty"`
}

// Empty reports whether there is nothing to report.
func (r Report) Empty() bool { return len(r.Unopenable) == 0 && r.Requests == 0 && r.Messages == 0 }

// storedReport is the report that waits for its reader. Owner is the process that delivers it; empty means any.
type storedReport struct {
	Report
	Owner string `json:"owner,omitempty"`
}

// report is the waiting report. It is read when it changes.
type report struct {
	storedReport
	loaded, changed bool
}

// Count adds a message that could not be opened to the report.
func (b *Book) Count(example Example) error {
	return b.changeReport(func(r *Report) {
		i := slices.IndexFunc(r.Unopenable, func(c Count) bool { return c.Code == example.Code })
		if i < 0 {
			i = len(r.Unopenable)
			r.Unopenable = append(r.Unopenable, Count{Code: example.Code})
		}
		r.Unopenable[i].Messages++
		if len(r.Examples) < MaxExamples {
			r.Examples = append(r.Examples, example)
		}
	})
}

// Dropped adds requests and messages to the report.
func (b *Book) Dropped(requests, messages int) error {
	if requests == 0 && messages == 0 {
		return nil
	}
	return b.changeReport(func(r *Report) {
		r.Requests += requests
		r.Messages += messages
	})
}

func (b *Book) changeReport(change func(*Report)) error {
	if err := b.loadReport(); err != nil {
		return err
	}
	if b.report.Empty() {
		b.report.Since = b.now
	}
	change(&b.report.Report)
	b.report.changed = true
	return nil
}

// Waiting reports whether a report waits for its reader.
func (b *Book) Waiting() (bool, error) {
	err := b.loadReport()
	return !b.report.Empty(), err
}

// Claim returns the report and makes owner the process that delivers it, if ours accepts the present owner. Otherwise
// the report is empty.
func (b *Book) Claim(owner string, ours func(owner string) bool) (Report, error) {
	if err := b.loadReport(); err != nil || b.report.Empty() || !ours(b.report.Owner) {
		return Report{}, err
	}
	b.report.Owner, b.report.changed = owner, true
	claimed := b.report.Report
	claimed.Unopenable, claimed.Examples = slices.Clone(claimed.Unopenable), slices.Clone(claimed.Examples)
	slices.SortFunc(claimed.Unopenable, func(x, y Count) int { return cmp.Compare(x.Code, y.Code) })
	return claimed, nil
}

// Delivered takes what a reader has got out of the report. What was counted since waits for the next one.
func (b *Book) Delivered(got Report) error {
	return b.changeReport(func(r *Report) {
		for _, count := range got.Unopenable {
			for i := range r.Unopenable {
				if r.Unopenable[i].Code == count.Code {
					r.Unopenable[i].Messages = max(0, r.Unopenable[i].Messages-count.Messages)
				}
			}
		}
		r.Unopenable = slices.DeleteFunc(r.Unopenable, func(c Count) bool { return c.Messages == 0 })
		r.Examples = slices.DeleteFunc(r.Examples, func(e Example) bool { return slices.Contains(got.Examples, e) })
		r.Requests, r.Messages = max(0, r.Requests-got.Requests), max(0, r.Messages-got.Messages)
		r.Since, b.report.Owner = b.now, ""
	})
}

func (b *Book) loadReport() error {
	if b.report.loaded {
		return nil
	}
	_, err := tables.Get(b.tx, Table, nameReport, &b.report.storedReport)
	b.report.loaded = err == nil
	return err
}

func (b *Book) saveReport() error {
	switch {
	case !b.report.changed:
		return nil
	case b.report.Empty():
		return b.tx.Delete(Table, nameReport)
	}
	return tables.Put(b.tx, Table, nameReport, b.report.storedReport)
}
