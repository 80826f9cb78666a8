package route

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
)

// A listener that has no network for a day writes less than 20 lines, its log included, although texts wait in the
// outbox. When the network is back it goes on: what waited goes out, and a text arrives.
func TestListenThroughADayOfOutage(t *testing.T) {
	day := 20 * time.Minute
	if os.Getenv("SESSIONTOOL_TEST_OUTAGE") != "" {
		day = 24 * time.Hour
	}
	synctest.Test(t, func(t *testing.T) {
		net := startPipes(t, 6)
		var log bytes.Buffer
		options := Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
		alice, bob := newPersonWith(t, "alice", net.config(t), Options{}), newPersonWith(t, "bob", net.config(t), options)
		alice.befriends(bob)
		ctx, stop := context.WithCancel(t.Context())
		lines := 0
		heard, done := make(chan string, 10), make(chan error)
		go func() {
			done <- bob.Listen(ctx, ListenOptions{
				PollInterval: time.Minute,
				Outage: func(Outage) error {
					lines++
					return nil
				},
			}, func(event inbox.Event) error {
				heard <- event.Text
				return nil
			})
		}()
		<-time.After(5 * time.Second)
		net.setCut(true)
		sender := bob.anew("bob sends")
		out, err := sender.Account.Send(ctx, account.Draft{To: alice.ID(), Text: "said without a network"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sender.Router.Send(ctx, out); err == nil {
			t.Error("a text is sent without a network")
		}
		<-time.After(day)
		net.setCut(false)
		<-time.After(3 * time.Minute)
		if got := alice.polls(); len(got) != 1 {
			t.Errorf("after the outage alice reads %q", got)
		}
		alice.texts(bob, "are you there?")
		<-time.After(2 * time.Minute)
		stop()
		<-done
		select {
		case text := <-heard:
			if text != "are you there?" {
				t.Errorf("bob hears %q", text)
			}
		default:
			t.Error("bob hears nothing after the outage")
		}
		lines += bytes.Count(log.Bytes(), []byte("\n"))
		t.Logf("%d lines in %v", lines, day)
		if lines >= 20 || lines < 2 {
			t.Errorf("an outage of %v is %d lines:\n%s", day, lines, log.String())
		}
	})
}
