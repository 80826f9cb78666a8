package commands

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/devnet/page"
)

// everything reads a stream to its end.
type everything struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (e *everything) Write(data []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.Write(data)
}

func (e *everything) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.String()
}

// getPage returns what a path of a page answers. It gives a stream to the writer.
func getPage(t *testing.T, ctx context.Context, url string, stream io.Writer) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s: status %d", url, response.StatusCode)
	}
	if _, err := io.Copy(stream, response.Body); err != nil && ctx.Err() == nil {
		t.Errorf("%s: %v", url, err)
	}
}

// The page of a network and its events contain no secret, no Session ID and no text, whatever people do meanwhile, and
// not the token that changes the network.
func TestPageShowsNothingPrivate(t *testing.T) {
	net := startDevnet(t, usual)
	const token = "the-control-token-of-the-network"
	shown, err := page.Serve(page.Options{Address: "127.0.0.1:0", Token: token, Source: net, Controls: net})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shown.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	var all everything
	var reading sync.WaitGroup
	reading.Go(func() { getPage(t, ctx, shown.URL()+"events", &all) })

	alice := &person{t: t, home: t.TempDir(), seed: net.SeedURL()}
	alice.must("", "keygen", "--account", "alice", "--display-name", "Alice")
	alice.id = strings.TrimSpace(alice.must("", "identity", "show", "--select", "session_id"))
	words := alice.must("", "identity", "export", "--select", "mnemonic")
	bob := newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	const text = "a text that is for Bob alone"
	alice.must("", "send", "--to", bob.id, "--text", text)
	alice.must("", "send", "--to", bob.id, "--text", text, "--protocol", "session-v1")
	if got := bob.must("", "poll", "--select", "text"); !strings.Contains(got, text) {
		t.Fatalf("Bob got %s", got)
	}
	eventually(t, "the messages to appear", func() bool { return strings.Count(all.String(), `"copies"`) >= 3 })
	for _, path := range []string{"", "parts/node?node=1", "past?second=" + strconv.FormatInt(time.Now().Unix(), 10)} {
		getPage(t, ctx, shown.URL()+path, &all)
	}
	cancel()
	reading.Wait()
	got := strings.ToLower(all.String())
	for name, private := range map[string]string{
		"Alice's key": partOfID(alice.id), "Bob's key": partOfID(bob.id), "the text": text, "the token": token,
	} {
		if strings.Contains(got, strings.ToLower(private)) {
			t.Errorf("the page shows %s", name)
		}
	}
	for _, secret := range secretsOf(t, alice.home, words) {
		if where := secret.in(all.String()); where != "" {
			t.Errorf("the page shows %s: %s", secret.name, where)
		}
	}
}
