package commands

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/account/strangers"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
	"sessiontool/lib/record"
	"sessiontool/lib/sealedbox"
	"sessiontool/lib/sessionid"
)

// flood makes envelopes for to: the first texts of so many strangers, typing notices of ten of them, and garbage.
func flood(t *testing.T, to sessionid.ID, askers int, garbage ...string) string {
	t.Helper()
	var out strings.Builder
	line := func(data string, at int64) {
		encoded, err := json.Marshal(record.Envelope{
			Type: record.TypeEnvelope, To: to.String(), TimestampMS: at, TTLMillis: 3_600_000, DataBase64: data,
		})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(encoded, '\n'))
	}
	now := time.Now().UnixMilli()
	for i := range askers {
		seed, err := sessionid.GenerateSeed(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		contents := []message.Content{message.TextV1(fmt.Sprint("stranger ", i), "stranger", uint64(now))}
		if i < 10 {
			contents = append(contents, message.Content{Body: message.Typing{}})
		}
		for _, content := range contents {
			box, err := sealedbox.Seal(rand.Reader, sessionid.KeysFromSeed(seed), to.PublicKey(),
				message.PadV1(content.Marshal()))
			if err != nil {
				t.Fatal(err)
			}
			data, err := envelope.PackBox(uint64(now), box, envelope.ProSignature{})
			if err != nil {
				t.Fatal(err)
			}
			line(data, now)
		}
	}
	for _, text := range garbage {
		line(base64.StdEncoding.EncodeToString([]byte(text)), now)
	}
	return out.String()
}

// numberOf returns a number in the only record of a type.
func numberOf(lines, kind, field string) (number int64) {
	for line := range strings.Lines(lines) {
		if gjson.Get(line, "type").Str == kind {
			number += gjson.Get(line, field).Int()
		}
	}
	return number
}

// A flood of strangers is printed as the newest requests and two counts, which end the poll with 3, and once. So is a
// smaller one by a listener, in one record.
func TestStrangersFlood(t *testing.T) {
	seed := startDevnet(t, usual).SeedURL()
	bob, sender := newPerson(t, seed, "bob"), newPerson(t, seed, "sender")
	id, err := sessionid.Parse(strings.TrimSpace(bob.must("", "identity", "show", "--select", "session_id")))
	if err != nil {
		t.Fatal(err)
	}
	sends := func(envelopes string) {
		t.Helper()
		sender.must(sender.must(envelopes, "pow", "solve"), "swarm", "store")
	}
	const dropped = 20
	sends(flood(t, id, strangers.MaxWaiting+dropped, "a", "b", "c"))

	polled := bob.run("", "", "poll")
	counts := make(map[string]int)
	for line := range strings.Lines(polled.out) {
		counts[gjson.Get(line, "type").Str]++
	}
	if polled.code != record.ExitPartial || len(counts) != 4 || counts[record.TypeFriendRequest] != strangers.MaxWaiting ||
		counts[record.TypeMessage] != strangers.MaxWaiting || counts[record.TypeUnopenable] != 1 ||
		counts[record.TypeDropped] != 1 {
		t.Fatalf("exit %d, records %v: %s", polled.code, counts, polled.err)
	}
	if got := numberOf(polled.out, record.TypeUnopenable, "count"); got != 3 {
		t.Errorf("%d messages are unopenable", got)
	}
	if got := numberOf(polled.out, record.TypeDropped, "requests"); got != dropped {
		t.Errorf("%d requests are dropped", got)
	}
	if again := bob.run("", "", "poll"); again.code != record.ExitOK || again.out != "" {
		t.Errorf("the next poll ends with %d and prints %s", again.code, again.out)
	}

	sends(flood(t, id, 0, "d", "e"))
	quiet := bob.run("", "", "poll", "--select", "text")
	if quiet.code != record.ExitPartial || quiet.out != "" || !strings.Contains(quiet.err, record.TypeUnopenable) {
		t.Errorf("with --select the poll ends with %d, prints %s and says %s", quiet.code, quiet.out, quiet.err)
	}
	sends(flood(t, id, 0, "f", "g", "h", "i"))
	listened := bob.run("", "", "listen", "--for", "3s", "--poll-interval", "100ms")
	if got := numberOf(listened.out, record.TypeUnopenable, "count"); listened.code != record.ExitPartial || got != 4 {
		t.Errorf("listen ends with %d and prints %s", listened.code, listened.out)
	}
}
