package account

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"sessiontool/lib/account/inbox"
)

// flight is a message under way. Its text is empty if it has none to show.
type flight struct {
	data, text string
	sent       int // when, counted in steps
}

// maxDelay is how many steps a message may be under way. The ratchet remembers more turns of a conversation than fit in
// between.
const maxDelay = 20

// post is a network that loses, delays and doubles what two people send each other.
type post struct {
	t      *testing.T
	chance *rand.Rand
	step   int
	people [2]*person
	// Of each person: what is under way to it, and the texts that were handed over.
	underway [2][]flight
	handed   [2]map[string]int
}

// Whatever is lost, late, doubled or out of order, and however often either side starts new sessions: each text that
// arrives is read exactly once and as it was written, and nothing is refused.
func TestAnySchedule(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t)
			alice, bob := w.friends()
			p := &post{t: t, chance: rand.New(rand.NewPCG(seed, 0)), people: [2]*person{alice, bob}}
			for i := range p.handed {
				p.handed[i] = p.read(i)
			}
			for p.step = range 200 {
				w.pass(time.Minute)
				switch me, what := p.chance.IntN(2), p.chance.IntN(20); {
				case what < 9:
					text := fmt.Sprintf("text %d of %s", p.step, p.people[me].name)
					p.send(me, p.people[me].says(p.people[1-me], text), text)
				case what == 9:
					p.send(me, p.people[me].resets(p.people[1-me]), "")
				default:
					p.lose(me)
					p.deliver(me)
				}
			}
			for i, person := range p.people {
				if got := p.read(i); !reflect.DeepEqual(got, p.handed[i]) {
					t.Errorf("%s has read %v, was handed %v", person.name, got, p.handed[i])
				}
			}
			w.chat(alice, bob)
			w.talk(alice, bob)
		})
	}
}

func (p *post) send(from int, data, text string) {
	p.underway[1-from] = append(p.underway[1-from], flight{data, text, p.step})
}

// lose drops what is too late, and some of the rest.
func (p *post) lose(to int) {
	p.underway[to] = slices.DeleteFunc(p.underway[to], func(f flight) bool {
		return p.step-f.sent > maxDelay || p.chance.IntN(12) == 0
	})
}

// deliver hands over some of what is under way in any order. Now and then the same comes again later.
func (p *post) deliver(to int) {
	waiting := p.underway[to]
	p.chance.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
	batch := slices.Clone(waiting[:min(len(waiting), p.chance.IntN(5))])
	if p.chance.IntN(4) > 0 {
		p.underway[to] = waiting[len(batch):]
	}
	data := make([]string, len(batch))
	for i, f := range batch {
		data[i] = f.data
	}
	for i, opened := range p.people[to].gets(data...) {
		if opened.Event.Kind == inbox.EventFailure {
			p.t.Errorf("step %d: %s refuses %q of step %d: %s", p.step, p.people[to].name, batch[i].text, batch[i].sent,
				opened.Event.Text)
		}
		if batch[i].text != "" {
			p.handed[to][batch[i].text] = 1
		}
	}
	for _, answer := range p.people[to].answers() {
		p.send(to, answer, "")
	}
}

// read counts the texts in an inbox.
func (p *post) read(who int) map[string]int {
	p.t.Helper()
	events, err := p.people[who].Inbox(p.t.Context(), 10000)
	if err != nil {
		p.t.Fatal(err)
	}
	read := make(map[string]int)
	for _, event := range events {
		if event.Kind == inbox.EventMessage {
			read[event.Text]++
		}
	}
	return read
}
