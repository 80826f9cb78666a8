package network

import (
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/trace"
)

// The trace of a request names the hop at fault and its place, the path that was tried next, and what that cost, as the
// client itself concludes.
func TestTraceNamesTheCulprit(t *testing.T) {
	for at := range Hops {
		t.Run(fmt.Sprintf("not ready at %d", at), func(t *testing.T) {
			net := startFakenet(t, 8)
			c := clientOf(t, net)
			group, target, path := pathTo(t, c, net.Nodes[0])
			faults["not ready"](fakeNode(t, net, path[at]))
			traceNamesTheCulprit(t, c, group, target, path, at)
		})
		t.Run(fmt.Sprintf("hangs at %d", at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := &quietNet{hopTime: 10 * time.Second}
				c := net.client(t)
				nodes, err := c.Nodes(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				group, target := c.Group(), nodes[0]
				path, err := group.path(t.Context(), target.Ed25519)
				if err != nil {
					t.Fatal(err)
				}
				net.silent.Store(&path[at])
				traceNamesTheCulprit(t, c, group, target, path, at)
			})
		})
	}
}

// traceNamesTheCulprit makes a request whose path fails at a place.
func traceNamesTheCulprit(t *testing.T, c *Client, group *Group, target Node, path []Node, at int) {
	t.Helper()
	recorder := trace.NewRecorder(time.Now, rand.Reader, 1)
	ctx, call := trace.Begin(trace.With(t.Context(), recorder), trace.SpanCall)
	answer, err := group.Do(ctx, target, Call{Name: "ask", Body: question(t)})
	if err != nil {
		t.Fatal(err)
	}
	c.Settle(time.Minute)
	call.End(nil)
	traces, _ := recorder.Take(true)
	detours := trace.Detours(traces[0])
	if len(detours) != 1 {
		t.Fatalf("%d detours in %+v", len(detours), traces)
	}
	d, place := detours[0], "guard"
	if at > 0 {
		place = fmt.Sprintf("relay %d", at)
	}
	if d.Culprit != path[at].Ed25519.String() || d.Place != place || d.Agreed != hasFailed(c, path[at].Ed25519) ||
		!d.Answered || d.Attempts < 2 || d.Method != "ask" || d.Target != target.Ed25519.String() {
		t.Errorf("%+v", d)
	}
	tried := traces[0].Find(trace.SpanAttempt)
	if first := tried[0]; first.Attr("guard") != path[0].Ed25519.String() || first.State != trace.StateFailed ||
		first.Attr("relay_2") != path[2].Ed25519.String() || first.Attr(trace.KeyReason) != whyFirst {
		t.Errorf("the first attempt is %+v", first)
	}
	answered := func(span trace.Span) bool {
		return span.State == trace.StateOK && span.Attr(trace.KeyStatus) == "200" &&
			span.Attr("guard") == answer.Path[0].Ed25519.String() && span.Attr(trace.KeyReason) != whyFirst
	}
	if !slices.ContainsFunc(tried, answered) {
		t.Errorf("no attempt over %v has answered: %+v", answer.Path, tried)
	}
}

// A question to a swarm has a span for each member, with the verdict, and says why another member was asked.
func TestTraceOfQuestion(t *testing.T) {
	net := startFakenet(t, 8)
	c := clientOf(t, net)
	net.Nodes[1].Stop()
	recorder := trace.NewRecorder(time.Now, rand.Reader, 1)
	ctx, call := trace.Begin(trace.With(t.Context(), recorder), trace.SpanCall)
	err := c.AskSwarm(ctx, Question{
		Call: Call{Method: "get_snodes_for_pubkey"}, Judge: &swarmJudge{body: question(t)},
		Only: []Node{nodeOf(t, c, net.Nodes[1]), nodeOf(t, c, net.Nodes[2])},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Settle(time.Minute)
	call.End(nil)
	traces, _ := recorder.Take(true)
	members := traces[0].Find(trace.SpanMember)
	if len(members) != 2 || members[0].State != trace.StateFailed || members[1].State != trace.StateOK ||
		members[1].Attr("verdict") != "done" || members[0].Attr(trace.KeyReason) != "" ||
		members[1].Attr(trace.KeyReason) == "" { // that the first one fails, or is late on a busy machine
		t.Errorf("the members are %+v", members)
	}
	if asked := traces[0].Find(trace.SpanAsk); len(asked) != 1 || asked[0].Attr("done") != "1" {
		t.Errorf("the question is %+v", asked)
	}
}
