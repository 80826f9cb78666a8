package human

import (
	"testing"

	"sessiontool/lib/record"
)

func TestTrace(t *testing.T) {
	lost := record.Trace{
		MessageHash: "0123456789abcdef0123", StoppedAt: "replicated", Why: "3 of 6 members have it",
		Stages: []record.TraceStage{
			{Stage: "stored", State: "done", Millis: 12.34, Detail: "3 members have it"},
			{Stage: "replicated", State: "failed", Detail: "3 of 6 members have it"},
		},
		Detours: []record.TraceDetour{{Detail: "store to 01234567"}},
	}
	want := "message 0123456789abcde…: stopped at replicated: 3 of 6 members have it\n" +
		"  ok    stored      12.3 ms     3 members have it\n" +
		"  FAIL  replicated              3 of 6 members have it\n" +
		"  detour: store to 01234567\n"
	if got := shown(t, false, lost); got != want {
		t.Errorf("got\n%s", got)
	}
	poll := record.Trace{TraceID: "01", Why: "poll: 2 new messages", Millis: 80.5}
	if got := shown(t, false, poll); got != "01  poll: 2 new messages, 80 ms\n" {
		t.Errorf("got %q", got)
	}
}

func TestSwarmWatch(t *testing.T) {
	count := 3
	watch := record.SwarmWatch{Round: 2, SwarmID: "4000000000000000", LagMS: 31000, Warn: true, Members: []record.MemberWatch{
		{PubkeyEd25519: "0123456789abcdef", Reachable: true, Messages: &count, Answered: 2, Asked: 2, LatencyMS: 4},
		{PubkeyEd25519: "abcdef", Lacking: 1, LagMS: 31000, Asked: 2, Error: "no answer"},
	}}
	want := "look 2  swarm 4000000000000000: a member lags by 31.0 s\n" +
		"MEMBER         ANSWERS  MESSAGES  LACKS  LAG     LAG P95  MS  MS P95  PROBLEM\n" +
		"0123456789ab…  2/2      3         0      0.0 s   0.0 s    4   0\n" +
		"abcdef         0/2      -         1      31.0 s  0.0 s    0   0       no answer\n"
	if got := shown(t, false, watch); got != want {
		t.Errorf("got\n%s", got)
	}
}
