//go:build unix

package simulation

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// brokenSeeds is how many schedules at most find a broken build.
const brokenSeeds = 1000

// brokenVariable makes TestBrokenBuilds run. Its value is how often the seed that has found a build is run again.
const brokenVariable = "SESSIONTOOL_TEST_BROKEN"

// broken is a build with one fault: some texts of it are replaced.
type broken struct {
	name    string
	profile string
	kept    string // the name of a schedule in testdata that finds it
	edits   []edit
	finds   []string // the invariants that the fault violates
	rare    bool     // 1 000 seeds need not find it, but the kept schedule does
}

var brokenBuilds = []broken{
	{
		name: "a commit is left out between ratchet and outbox", profile: "quick",
		kept: "commit-left-out",
		edits: []edit{{
			"lib/account/seal.go",
			"if err := sessions.Save(tx, out.To, record); err != nil {",
			"if err != nil {",
		}},
		finds: []string{"no key for two texts"},
	},
	{
		name: "an fsync is left out at the node", profile: "disks",
		kept: "sync-left-out",
		edits: []edit{{
			"lib/node/store/kv/log.go",
			"if err := l.file.Sync(); err != nil {\n\t\treturn err\n\t}\n\tif err := note(transaction); err != nil {",
			"if err := note(transaction); err != nil {",
		}},
		finds: []string{"node starts", "acknowledged texts arrive"},
	},
	{
		name: "dedupe is off", profile: "quick",
		kept: "dedupe-off",
		edits: []edit{{
			"lib/account/inbox/seen.go",
			"value, found, err := tx.Get(TableSeen, id)\n\tif err != nil || !found {",
			"value, _, err := tx.Get(TableSeen, id)\n\tif true {",
		}, {
			"lib/account/session_v1.go",
			"if again {\n\t\tevent.Kind, event.Text = inbox.EventControl, \"duplicate\"",
			"if false {\n\t\tevent.Kind, event.Text = inbox.EventControl, \"duplicate\"",
		}, {
			"lib/account/session_v1.go", "_, again, err := tx.Get(tableBoxes, name)", "_, _, err = tx.Get(tableBoxes, name)",
		}},
		finds: []string{"once"},
	},
	{
		name: "order is off", profile: "quick",
		kept: "order-off",
		edits: []edit{{
			"lib/account/inbox/order.go",
			"func InOrder(events []Waiting) {\n",
			"func InOrder(events []Waiting) {\n\tif true {\n\t\treturn\n\t}\n",
		}},
		finds: []string{"order"},
	},
	{
		name: "the cursor moves before delivery", profile: "disks",
		kept: "cursor-before-delivery",
		edits: []edit{{
			"lib/route/delivery.go",
			"err := d.deliver(event)",
			"err := errors.Join(d.router.account.EndDelivery(context.WithoutCancel(ctx), []inbox.Event{event}, nil),\n" +
				"\t\t\td.deliver(event))",
		}},
		finds: []string{"acknowledged texts arrive"},
	},
	{
		name: "a receipt names a node without the message", profile: "quick",
		kept: "receipt-without-message",
		edits: []edit{{
			"lib/route/store_20.go",
			"result.Pending, result.Error = true, reply.Err.Error()",
			"result.OK = true",
		}},
		finds: []string{"true receipts"},
	},
	{
		name: "a tombstone is believed without signature", profile: "hostile",
		kept: "tombstone-believed",
		edits: []edit{{
			"lib/node/replication/push.go",
			"request, ok := c.signed(owner, r.Request)\n\t\treturn ok && request.MayDelete(r.Name) && len(r.Stored) == 0",
			"return true",
		}, {
			"lib/node/store/entry.go",
			"read, err := u.read(u.Name.Owner(), request)\n\treturn err == nil && read.Deletes(m)",
			"return true",
		}},
		finds: []string{"acknowledged texts arrive", "no session is stuck", "true receipts"},
	},
	{
		name: "a 421 is believed", profile: "hostile",
		kept: "wrong-swarm-believed",
		edits: []edit{{
			"lib/network/swarm.go",
			"if members, ok := c.ringMembers(id); ok {\n\t\tc.keepSwarm(id, members)\n\t\treturn members, nil",
			"if _, ok := c.ringMembers(id); ok {\n\t\tc.keepSwarm(id, known)\n\t\treturn known, nil",
		}},
		finds: []string{"receipts name members", "acknowledged texts arrive"},
	},
	// Faults that the simulation has found in the program, as they were.
	{
		name: "no other member takes what one took that missed a change of difficulty", profile: "quick",
		kept:  "missed-difficulty",
		edits: []edit{{"lib/route/store_20.go", "if len(judge.round.wanted) <= receipt.Stored ||", "if true ||"}},
		finds: []string{"acknowledged texts arrive"},
		rare:  true,
	},
	{
		name: "a session-v1 text makes signal friends", profile: "clocks",
		kept: "text-to-signal-request",
		edits: []edit{
			{"lib/account/contacts/contacts.go", "c.Protocol = ProtocolSessionV1 // also", "// also"},
			{"lib/account/announce.go", "if errors.Is(err, ratchet.ErrNoSession) {", "if false && errors.Is(err, ratchet.ErrNoSession) {"},
		},
		finds: []string{"documented codes"},
	},
	{
		name: "texts of one millisecond have one timestamp", profile: "clocks",
		kept:  "texts-of-one-millisecond",
		edits: []edit{{"lib/account/session_v1.go", "out.TimestampMS = contact.Stamp(a.stamp())", "out.TimestampMS = a.stamp()"}},
		finds: []string{"order"},
	},
	{
		name: "a text that is sealed again comes after later ones", profile: "clocks",
		kept:  "sealed-again",
		edits: []edit{{"lib/account/outbox/outbox.go", "if later.Seq <= entry.Seq ||", "if true || later.Seq <= entry.Seq ||"}},
		finds: []string{"order"},
	},
	{
		name: "a clock that is set meanwhile dates texts", profile: "clocks",
		kept:  "clock-set-meanwhile",
		edits: []edit{{"lib/network/clock.go", "\tfor range 2 {\n\t\tbegun, shown", "\tfor range 1 {\n\t\tbegun, shown"}},
		finds: []string{"order"},
	},
}

// Each replaced text is in its file once, so that the builds stay broken as they are meant to.
func TestBrokenTexts(t *testing.T) {
	for _, b := range brokenBuilds {
		if _, err := applied(b.edits); err != nil {
			t.Errorf("%s: %v", b.name, err)
		}
	}
	if _, err := applied(exactEdits(t)); err != nil {
		t.Errorf("exact order: %v", err)
	}
}

// The simulation finds each broken build, and finds it again by the same seed.
func TestBrokenBuilds(t *testing.T) {
	again, err := strconv.Atoi(os.Getenv(brokenVariable))
	if err != nil {
		t.Skip("set " + brokenVariable + " to a number, such as 100")
	}
	for _, b := range brokenBuilds {
		t.Run(b.name, func(t *testing.T) { b.isFound(t, again) })
	}
}

// failure is a line of output about a failing seed.
var failure = regexp.MustCompile(`seed (\d+) \((\w+)\): ([^:]+): `)

// search runs a program of build until a seed fails, and returns the seed with the invariants that it has violated.
func search(t *testing.T, program string, args ...string) (seed uint64, violated []string) {
	t.Helper()
	args = append([]string{"-test.run=^TestSimulate$", "-test.timeout=0", "-shrink=false", "-until-failure", "-alone"}, args...)
	output, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err == nil {
		return 0, nil
	}
	for _, line := range failure.FindAllStringSubmatch(string(output), -1) {
		number, err := strconv.ParseUint(line[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if seed == 0 || seed == number {
			seed, violated = number, append(violated, line[3])
		}
	}
	if seed == 0 {
		t.Fatalf("it failed otherwise:\n%s", output)
	}
	return seed, violated
}

// isFound searches for the fault, and runs the kept schedule that finds it.
func (b broken) isFound(t *testing.T, again int) {
	program := buildWith(t, append(exactEdits(t), b.edits...))
	expected := func(violated []string) bool {
		for _, name := range violated {
			for _, known := range b.finds {
				if name == known {
					return true
				}
			}
		}
		return false
	}
	if !b.rare {
		b.isSearched(t, program, again, expected)
	}
	kept := keptSchedule(t, b.kept)
	if found := violations(t, job{program: program, Seeds: 1, Given: &kept}); !expected(found) {
		t.Errorf("the schedule %s finds %q", b.kept, found)
	}
}

// isSearched searches for the fault by seeds, and runs the one that has found it again.
func (b broken) isSearched(t *testing.T, program string, again int, expected func(violated []string) bool) {
	t.Helper()
	seed, violated := uint64(0), []string(nil)
	for !expected(violated) {
		left := brokenSeeds - int(seed)
		if seed, violated = search(t, program, "-seeds", strconv.Itoa(left), "-from", fmt.Sprint(seed+1), "-profile",
			b.profile); seed == 0 || seed >= brokenSeeds {
			t.Fatalf("%d seeds do not find it", brokenSeeds)
		}
		if !expected(violated) {
			t.Logf("seed %d violates something else: %q", seed, violated)
		}
	}
	repeated := 0
	for range again {
		if expected(violations(t, job{program: program, From: seed, Seeds: 1, Profile: b.profile})) {
			repeated++
		}
	}
	t.Logf("found by seed %d (%s): %q; %d of %d runs of that seed find it again", seed, b.profile, violated, repeated,
		again)
	if 100*repeated < 95*again {
		t.Errorf("only %d of %d runs of seed %d find it again", repeated, again, seed)
	}
}

// violations runs a job, and returns the invariants that are violated.
func violations(t *testing.T, j job) (violated []string) {
	t.Helper()
	failure := j.start(t.Context(), t, func(r report) {
		for _, v := range r.Violations {
			violated = append(violated, v.Invariant)
		}
	})
	if failure != "" {
		t.Error(failure)
	}
	return violated
}

// keptSchedule reads a schedule of testdata.
func keptSchedule(t *testing.T, name string) (s schedule) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// No schedule that has found a fault finds one now.
func TestKeptSchedules(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	program := simulator(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept := keptSchedule(t, name)
			if found := violations(t, job{program: program, Seeds: 1, Given: &kept}); len(found) > 0 {
				t.Errorf("it violates %q", found)
			}
		})
	}
	if len(files) < len(brokenBuilds) {
		t.Errorf("testdata has %d schedules", len(files))
	}
}
