package network

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// fakeSwarms guards answers and ended of every fakeSwarm, which tests copy.
var fakeSwarms sync.Mutex

// fakeSwarm is a swarm in memory: a [Directory], and a [Backend] whose members answer as the test says. Members are
// called by letters.
type fakeSwarm struct {
	members  string // in the order in which they are asked
	looked   string // what LookupSwarm says; empty: members
	suspects string
	answers  map[string][]fakeAnswer // by member; the last one counts for ever
	clockErr error

	asked  string // members in the order in which requests were sent
	synced int
	ended  int // requests that were cancelled
}

// fakeAnswer is an answer after some time; late after half of it.
type fakeAnswer struct {
	status int
	body   string
	err    error
	after  time.Duration
}

func letter(name byte) Node { return Node{Ed25519: Key{name}} }

func letters(names string) (nodes []Node) {
	for i := range len(names) {
		nodes = append(nodes, letter(names[i]))
	}
	return nodes
}

func (f *fakeSwarm) Swarm(context.Context, sessionid.ID) ([]Node, error) {
	return letters(f.members), nil
}

func (f *fakeSwarm) LookupSwarm(context.Context, sessionid.ID) ([]Node, error) {
	if f.looked == "" {
		return letters(f.members), nil
	}
	return letters(f.looked), nil
}

func (f *fakeSwarm) AdoptSwarm(_ context.Context, _ sessionid.ID, body string) ([]Node, error) {
	if body == "" {
		return nil, errors.New("names no member")
	}
	return letters(body), nil
}

func (f *fakeSwarm) SyncClock(context.Context) (Clock, error) {
	f.synced++
	return Clock{}, f.clockErr
}

func (f *fakeSwarm) Offset() time.Duration { return 0 }

func (f *fakeSwarm) Shuffle(nodes []Node) []Node { return nodes }

func (f *fakeSwarm) Suspect(key Key) bool { return strings.IndexByte(f.suspects, key[0]) >= 0 }

const fakeLate = 300 * time.Millisecond

func (f *fakeSwarm) Do(ctx context.Context, target Node, call Call) (Answer, error) {
	answer := f.next(string(target.Ed25519[:1]))
	if answer.after > fakeLate && !call.Slow {
		select {
		case <-time.After(fakeLate):
			call.Late(true)
		case <-ctx.Done():
			f.end()
			return Answer{}, ctx.Err()
		}
		answer.after -= fakeLate
	}
	select {
	case <-time.After(answer.after):
		return Answer{Status: answer.status, Body: answer.body}, answer.err
	case <-ctx.Done():
		f.end()
		return Answer{}, ctx.Err()
	}
}

// next takes the next answer of a member. The last one is repeated.
func (f *fakeSwarm) next(name string) fakeAnswer {
	fakeSwarms.Lock()
	defer fakeSwarms.Unlock()
	all := f.answers[name]
	if len(all) == 0 {
		return fakeAnswer{status: storage.StatusOK}
	}
	f.answers[name] = all[min(1, len(all)-1):]
	return all[0]
}

// end counts a request that was cancelled.
func (f *fakeSwarm) end() {
	fakeSwarms.Lock()
	defer fakeSwarms.Unlock()
	f.ended++
}

// fakeJudge takes every 200 as what its verdict says, Done by default.
type fakeJudge struct {
	swarm    *fakeSwarm
	verdicts []Verdict // for one 200 after the other
	pending  string
	errs     []error
	restamps int
}

func (j *fakeJudge) Request(member Node) ([]byte, error) {
	j.swarm.asked += string(member.Ed25519[:1])
	return nil, nil
}

func (j *fakeJudge) Restamp(context.Context) error {
	j.restamps++
	return nil
}

func (j *fakeJudge) Judge(reply Reply) Verdict {
	switch {
	case errors.Is(reply.Err, ErrPending):
		j.pending += string(reply.Member.Ed25519[:1])
		return Next
	case reply.Err != nil:
		j.errs = append(j.errs, reply.Err)
		return Next
	case reply.Status != storage.StatusOK:
		return Next
	case len(j.verdicts) > 0:
		verdict := j.verdicts[0]
		j.verdicts = j.verdicts[1:]
		return verdict
	}
	return Done
}

// repeated is an answer that a member gives for ever.
func repeated(answer fakeAnswer) []fakeAnswer { return []fakeAnswer{answer} }

func TestAsk(t *testing.T) {
	dead := fakeAnswer{err: errTarget(Node{}, errSilent)}
	silent := fakeAnswer{status: storage.StatusOK, after: time.Minute}
	refuses := fakeAnswer{status: storage.StatusBadTimestamp}
	early := fakeAnswer{status: storage.StatusTooEarly}
	busy := fakeAnswer{status: storage.StatusNotReady}
	good := fakeAnswer{status: storage.StatusOK}
	for name, test := range map[string]struct {
		swarm    fakeSwarm
		question Question
		verdicts []Verdict

		asked   string
		pending string
		synced  int
		took    time.Duration
		err     error
	}{
		"one is enough": {swarm: fakeSwarm{members: "abc"}, asked: "a"},
		"three at once": {swarm: fakeSwarm{members: "abcde"}, question: Question{Sides: 3},
			asked: "abc"},
		"one that fails is replaced": {swarm: fakeSwarm{members: "abc",
			answers: map[string][]fakeAnswer{"a": repeated(dead)}}, asked: "ab"},
		"one that is busy is replaced": {swarm: fakeSwarm{members: "abc",
			answers: map[string][]fakeAnswer{"a": repeated(busy)}}, asked: "ab"},
		"all fail": {swarm: fakeSwarm{members: "ab",
			answers: map[string][]fakeAnswer{"a": repeated(dead), "b": repeated(dead)}}, asked: "ab",
			err: ErrUnanswered},
		"the swarm has moved": {swarm: fakeSwarm{members: "ab", looked: "abc",
			answers: map[string][]fakeAnswer{"a": repeated(dead), "b": repeated(dead)}}, asked: "abc"},
		"421": {swarm: fakeSwarm{members: "abc",
			answers: map[string][]fakeAnswer{"a": {{status: storage.StatusWrongSwarm, body: "ade"}}}}, asked: "ad"},
		"421 that names no member": {swarm: fakeSwarm{members: "abc",
			answers: map[string][]fakeAnswer{"a": {{status: storage.StatusWrongSwarm}}}}, asked: "ab"},
		"421 of the only one": {question: Question{Only: letters("a")},
			swarm: fakeSwarm{answers: map[string][]fakeAnswer{"a": {{status: storage.StatusWrongSwarm, body: "bc"}}}},
			asked: "a", err: ErrUnanswered},
		"one refuses the time": {swarm: fakeSwarm{members: "abc",
			answers: map[string][]fakeAnswer{"a": repeated(refuses)}}, asked: "ab"},
		"two refuse the time": {swarm: fakeSwarm{members: "abc",
			answers: map[string][]fakeAnswer{"a": {refuses, good}, "b": {early, good}}}, asked: "aba", synced: 1},
		"the time is refused twice": {swarm: fakeSwarm{members: "ab",
			answers: map[string][]fakeAnswer{"a": repeated(refuses), "b": repeated(early)}}, asked: "abab", synced: 1,
			err: ErrClock},
		"nothing says the time": {swarm: fakeSwarm{members: "ab", clockErr: ErrNoTime,
			answers: map[string][]fakeAnswer{"a": repeated(refuses), "b": repeated(refuses)}}, asked: "ab", synced: 1,
			err: ErrNoTime},
		"no path works": {swarm: fakeSwarm{members: "ab",
			answers: map[string][]fakeAnswer{"a": repeated(fakeAnswer{err: ErrNoPath})}}, asked: "a", err: ErrNoPath},
		"more to get": {swarm: fakeSwarm{members: "abc"},
			verdicts: []Verdict{Again, Again, Done}, asked: "aaa"},
		"all would say the same": {swarm: fakeSwarm{members: "abcde"}, question: Question{Sides: 3},
			verdicts: []Verdict{Settled, Settled, Settled}, asked: "abc"},
		"over": {swarm: fakeSwarm{members: "abcde",
			answers: map[string][]fakeAnswer{"b": repeated(silent), "c": repeated(silent)}},
			question: Question{Sides: 3, Enough: 3}, verdicts: []Verdict{Stop}, asked: "abc", pending: "bc"},
		"the third of three is late": {swarm: fakeSwarm{members: "abcd",
			answers: map[string][]fakeAnswer{"c": repeated(silent)}}, question: Question{Sides: 3, Enough: 2},
			asked: "abc", pending: "c", took: leaveAfter},
		"two of three are late": {swarm: fakeSwarm{members: "abcd",
			answers: map[string][]fakeAnswer{"a": repeated(silent), "b": repeated(silent)}},
			question: Question{Sides: 3, Enough: 2}, asked: "abcd", pending: "ab", took: leaveAfter},
		"a late one answers first": {swarm: fakeSwarm{members: "ab",
			answers: map[string][]fakeAnswer{"a": repeated(fakeAnswer{status: storage.StatusOK, after: time.Second}),
				"b": repeated(silent)}}, asked: "ab", pending: "b", took: time.Second},
		"a suspect is not waited for": {swarm: fakeSwarm{members: "abc", suspects: "c",
			answers: map[string][]fakeAnswer{"c": repeated(silent)}}, question: Question{Sides: 3, Enough: 2},
			asked: "abc", pending: "c"},
		"a suspect may answer": {swarm: fakeSwarm{members: "a", suspects: "a"}, asked: "a"},
		"doubt asks one more, and does not wait": {swarm: fakeSwarm{members: "abc",
			answers: map[string][]fakeAnswer{"b": repeated(silent)}}, question: Question{Call: Call{Slow: true}},
			verdicts: []Verdict{Doubt}, asked: "ab", pending: "b", took: fakeLate},
		"except one": {swarm: fakeSwarm{members: "abc"},
			question: Question{Except: []Key{{'a'}}}, asked: "b"},
		"of one that is given": {question: Question{Members: letters("xy")}, asked: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				swarm := test.swarm
				judge := &fakeJudge{swarm: &swarm, verdicts: test.verdicts}
				question := test.question
				question.Judge, question.Backend = judge, &swarm
				started := time.Now()
				err := Ask(t.Context(), &swarm, fakeLate, question)
				if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
					t.Errorf("error is %v, want %v", err, test.err)
				}
				if took := time.Since(started); took != test.took {
					t.Errorf("it took %v, want %v", took, test.took)
				}
				if swarm.asked != test.asked || sorted(judge.pending) != test.pending || swarm.synced != test.synced {
					t.Errorf("asked %q, pending %q, %d looks at the clock; want %q, %q, %d",
						swarm.asked, judge.pending, swarm.synced, test.asked, test.pending, test.synced)
				}
				if swarm.ended != len(test.pending) {
					t.Errorf("%d requests were cancelled, want %d", swarm.ended, len(test.pending))
				}
				if want := test.synced; test.err != ErrNoTime && judge.restamps != want {
					t.Errorf("the request was made anew %d times, want %d", judge.restamps, want)
				}
			})
		})
	}
}

func sorted(text string) string {
	bytes := []byte(text)
	slices.Sort(bytes)
	return string(bytes)
}

// What ends a question from outside ends its requests, and says so to the judge.
func TestAskIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		swarm := fakeSwarm{members: "abc", answers: map[string][]fakeAnswer{
			"a": {{after: time.Hour}}, "b": {{after: time.Hour}}, "c": {{after: time.Hour}},
		}}
		judge := &fakeJudge{swarm: &swarm}
		err := Ask(ctx, &swarm, fakeLate, Question{Judge: judge, Backend: &swarm, Sides: 3})
		if !errors.Is(err, context.DeadlineExceeded) || sorted(judge.pending) != "abc" || swarm.ended != 3 {
			t.Errorf("%v, pending %q, %d requests ended", err, judge.pending, swarm.ended)
		}
	})
}
