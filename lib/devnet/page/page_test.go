package page

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/devnet"
	"sessiontool/lib/devnet/meter"
	"sessiontool/lib/internal/leakcheck"
	"sessiontool/lib/metrics"
	"sessiontool/lib/node"
	"sessiontool/lib/swarm"
)

// network is a Source with Controls whose state the test sets.
type network struct {
	mu       sync.Mutex
	state    devnet.Inspection
	observe  func(i int, e node.Event)
	done     []string
	failWith error
}

// newNetwork makes a network of count nodes in swarms of size.
func newNetwork(count, size int) *network {
	n := &network{state: devnet.Inspection{Status: devnet.Status{Nodes: count, Difficulty: 1}, Generation: "2.0"}}
	swarms := max(count/size, 1)
	for i := range count {
		info := devnet.NodeInfo{
			IP: "127.0.0.1", Port: uint16(1000 + i), PubkeyEd25519: fmt.Sprintf("%064x", i+1), Running: true,
			SwarmID: swarm.SwarmID(uint64(i%swarms)*(1<<63/uint64(swarms))*2 + 77),
		}
		n.state.Nodes = append(n.state.Nodes, devnet.InspectedNode{
			NodeInfo: info, Own: true, Version: "2.8.0", Load: devnet.Load{Messages: i, Bytes: 4096, MaxBytes: 1 << 20},
		})
	}
	return n
}

func (n *network) Inspect() (devnet.Inspection, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	state := n.state
	state.Nodes = append([]devnet.InspectedNode{}, n.state.Nodes...)
	return state, n.failWith
}

func (n *network) change(do func(state *devnet.Inspection)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	do(&n.state)
}

func (n *network) Figures(int) (meter.Figures, error) {
	return meter.Figures{
		Storage:   []metrics.Count{{Outcome: metrics.Outcome{What: "retrieve", Status: 200}, Times: 4711}},
		Durations: []meter.Duration{{Endpoint: "storage", Count: 3, P50: 1, P95: 2, P99: 5}},
	}, nil
}

func (n *network) Observe(observe func(i int, e node.Event)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.observe = observe
}

// happen makes an event of node i.
func (n *network) happen(i int, e node.Event) {
	n.mu.Lock()
	observe := n.observe
	n.mu.Unlock()
	if observe != nil {
		observe(i, e)
	}
}

func (n *network) note(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.done = append(n.done, fmt.Sprintf(format, args...))
}

func (n *network) SetFault(_ context.Context, nodes []string, f devnet.Fault) ([]devnet.NodeFault, error) {
	n.note("set %s of %v", faultText(f), nodes)
	if nodes[0] == "99" {
		return nil, fmt.Errorf("%w: 99", devnet.ErrNode)
	}
	return make([]devnet.NodeFault, len(nodes)), nil
}

func (n *network) ClearFaults(_ context.Context, nodes []string, kinds ...devnet.FaultKind) ([]devnet.NodeFault, error) {
	n.note("clear %v of %v", kinds, nodes)
	return nil, nil
}

func (n *network) SetDifficulty(difficulty uint64) error {
	n.note("difficulty %d", difficulty)
	if difficulty == 13 {
		return errors.New("disk full")
	}
	return nil
}

const testToken = "0123456789abcdef"

// serve starts a page of a network. At the end of the test it is closed and no goroutine may be left.
func serve(t *testing.T, n *network, adjust func(*Options)) *Page {
	t.Helper()
	leakcheck.Check(t)
	options := Options{Address: "127.0.0.1:0", Token: testToken, Source: n, Controls: n}
	if adjust != nil {
		adjust(&options)
	}
	p, err := Serve(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func get(t *testing.T, url string) (int, http.Header, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// The page is whole without a script: the ring and the table have every node, a link shows the figures of one.
func TestDocument(t *testing.T) {
	n := newNetwork(12, 4)
	n.state.Nodes[3].Running = false
	n.state.Nodes[4].Faults = []devnet.NodeFault{{Fault: devnet.Fault{Kind: devnet.FaultDrop, Share: 0.1}}}
	n.state.Nodes[5].PubkeyEd25519 = `"><script>`
	p := serve(t, n, nil)
	status, header, text := get(t, p.URL())
	if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v", status, header)
	}
	for _, want := range []string{
		`aria-label="Node 3, 00000000, swarm `, "stopped", "runs with faults · drop 10%", "12 nodes in 3 swarms",
		`href="/?node=11"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if got := strings.Count(text, `<a class="node `); got != 12 {
		t.Errorf("the ring has %d nodes", got)
	}
	if got := strings.Count(text, `<tr data-node=`); got != 12 {
		t.Errorf("the table has %d nodes", got)
	}
	overview := regexp.MustCompile(`(?s)run without faults</dt><dd>10<.*run with faults</dt><dd>1<.*failed</dt><dd>1<.*2\.8\.0`)
	if !overview.MatchString(text) {
		t.Error("the overview of the network is wrong")
	}
	if strings.Contains(text, testToken) {
		t.Error("the token is on the page")
	}
	_, _, text = get(t, p.URL()+"?node=7")
	for _, want := range []string{"<h2>Node 7</h2>", "4711", "4.0 KiB of 1.0 MiB", "≤ 5 ms"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page of node 7 lacks %s", want)
		}
	}
	for _, query := range []string{"?node=99", "?node=-5", "?node=3", "parts/figures", "parts/node"} {
		if status, _, _ := get(t, p.URL()+query); status != 200 {
			t.Errorf("%s: status %d", query, status)
		}
	}
	if status, _, _ := get(t, p.URL()+"?node=x"); status != 400 {
		t.Errorf("a node that is no number: status %d", status)
	}
}

// Whatever the page consists of keeps the content security policy: no inline script, no inline style, no other host.
func TestContentSecurityPolicy(t *testing.T) {
	p := serve(t, newNetwork(300, 5), nil)
	inline := regexp.MustCompile(`(?i)\sstyle\s*=|\son[a-z]+\s*=|<style|<script[^>]*>[^<]|javascript:`)
	references := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`)
	foreign := regexp.MustCompile(`https?://[a-z0-9]`)
	pages := []string{"", "?node=1", "parts/node?node=2", "parts/figures?node=2"}
	assets := make(map[string]bool)
	for _, path := range pages {
		status, header, text := get(t, p.URL()+path)
		if status != 200 || header.Get("Content-Security-Policy") != policy {
			t.Errorf("%q: status %d, policy %q", path, status, header.Get("Content-Security-Policy"))
		}
		if found := inline.FindString(text); found != "" {
			t.Errorf("%q has %q", path, found)
		}
		if found := foreign.FindString(text); found != "" {
			t.Errorf("%q names another host: %q", path, found)
		}
		for _, match := range references.FindAllStringSubmatch(text, -1) {
			assets[match[1]] = true
		}
	}
	if len(assets) < 3 {
		t.Errorf("the page has the assets %v", assets)
	}
	imported := regexp.MustCompile(`from "\./([a-z]+\.js)"`)
	for asset := range assets {
		status, header, text := get(t, strings.TrimSuffix(p.URL(), "/")+asset)
		if status != 200 || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: status %d", asset, status)
		}
		for _, match := range imported.FindAllStringSubmatch(text, -1) {
			if status, _, _ := get(t, p.URL()+"assets/"+match[1]); status != 200 {
				t.Errorf("%s, which %s imports: status %d", match[1], asset, status)
			}
		}
	}
	for _, path := range []string{"assets/", "assets/../page.go", "assets/none.js", "templates/page.html", "templates/dialog.html", "x"} {
		if status, _, _ := get(t, p.URL()+path); status != 404 {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

// The page answers under its own address alone, itself alone can read it, and changes need the token.
func TestRefusals(t *testing.T) {
	n := newNetwork(4, 4)
	p := serve(t, n, nil)
	host := strings.TrimSuffix(strings.TrimPrefix(p.URL(), "http://"), "/")
	local, err := net.ResolveTCPAddr("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	const bearer, fault = "Bearer " + testToken, `{"fault":"stop,node=1"}`
	for _, test := range []struct {
		name, method, path, host, body string
		header                         map[string]string
		want                           int
	}{
		{"own address", "GET", "/", host, "", nil, 200},
		{"localhost", "GET", "/", fmt.Sprint("localhost:", local.Port), "", nil, 200},
		{"foreign name", "GET", "/", fmt.Sprint("rebound.example:", local.Port), "", nil, 421},
		{"other port", "GET", "/", "127.0.0.1:1", "", nil, 421},
		{"no port", "GET", "/", "127.0.0.1", "", nil, 421},
		{"link on another page", "GET", "/", host, "",
			map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		{"frame of another page", "GET", "/", host, "",
			map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		{"events for another page", "GET", "/past?second=1", host, "", map[string]string{"Origin": "http://evil.example"}, 403},
		{"script on another page", "GET", "/assets/main.js", host, "", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"change", "POST", "/actions", host, fault, map[string]string{"Authorization": bearer}, 200},
		{"change of the page", "POST", "/actions", host, fault,
			map[string]string{"Authorization": bearer, "Origin": "http://" + host, "Sec-Fetch-Site": "same-origin"}, 200},
		{"change of another page", "POST", "/actions", host, fault,
			map[string]string{"Authorization": bearer, "Origin": "http://evil.example"}, 403},
		{"change of another port", "POST", "/actions", host, fault,
			map[string]string{"Authorization": bearer, "Sec-Fetch-Site": "same-site"}, 403},
		{"change without token", "POST", "/actions", host, fault, nil, 403},
		{"change with another token", "POST", "/actions", host, fault, map[string]string{"Authorization": bearer + "0"}, 403},
		{"change by a form", "POST", "/actions", host, fault,
			map[string]string{"Authorization": bearer, "Content-Type": "text/plain"}, 415},
		{"change by GET", "GET", "/actions", host, "", map[string]string{"Authorization": bearer}, 405},
		{"no action", "POST", "/actions", host, `{}`, map[string]string{"Authorization": bearer}, 400},
		{"unknown node", "POST", "/actions", host, `{"fault":"stop,node=99"}`, map[string]string{"Authorization": bearer}, 400},
		{"failure", "POST", "/actions", host, `{"difficulty":13}`, map[string]string{"Authorization": bearer}, 500},
		{"too large", "POST", "/actions", host, `{"fault":"` + strings.Repeat("x", maxActionBytes) + `"}`,
			map[string]string{"Authorization": bearer}, 400},
		{"no second", "GET", "/past?second=x", host, "", nil, 400},
		{"unknown second", "GET", "/past?second=1", host, "", nil, 404},
	} {
		request, err := http.NewRequestWithContext(t.Context(), test.method, p.URL()[:len(p.URL())-1]+test.path,
			strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Host = test.host
		if test.method == "POST" {
			request.Header.Set("Content-Type", "application/json")
		}
		for name, value := range test.header {
			request.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if response.Body.Close(); response.StatusCode != test.want {
			t.Errorf("%s: status %d, want %d", test.name, response.StatusCode, test.want)
		}
	}
	want := []string{"set stop of [1]", "set stop of [1]", "set stop of [99]", "difficulty 13"}
	if fmt.Sprint(n.done) != fmt.Sprint(want) {
		t.Errorf("done is %v, want %v", n.done, want)
	}
}

// A page for other machines needs the token for everything; a page of one node changes nothing.
func TestRemotePage(t *testing.T) {
	n := newNetwork(4, 4)
	p := serve(t, n, func(o *Options) { o.Address, o.Remote, o.Controls = "0.0.0.0:0", true, nil })
	url := fmt.Sprintf("http://127.0.0.1:%d/", p.port())
	for _, test := range []struct {
		path  string
		allow func(r *http.Request)
		want  int
	}{
		{"", func(*http.Request) {}, 401},
		{"assets/main.js", func(*http.Request) {}, 401},
		{"events", func(*http.Request) {}, 401},
		{"", func(r *http.Request) { r.SetBasicAuth("", testToken) }, 200},
		{"", func(r *http.Request) { r.SetBasicAuth(testToken, "") }, 401},
		{"", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+testToken) }, 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", url+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		test.allow(r)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close(); response.StatusCode != test.want {
			t.Errorf("%q: status %d, want %d", test.path, response.StatusCode, test.want)
		}
	}
	w := httptest.NewRecorder()
	p.serveAction(w, httptest.NewRequest("POST", "/actions", nil))
	if w.Code != 403 {
		t.Errorf("a page without controls changes: status %d", w.Code)
	}
}

func TestAddresses(t *testing.T) {
	for _, options := range []Options{
		{Address: "0.0.0.0:0"}, {Address: "192.0.2.1:0"}, {Address: "example.org:0"}, {Address: ""},
		{Address: "127.0.0.1:0", Remote: true}, {Address: "127.0.0.1:99999"},
	} {
		options.Source = newNetwork(1, 1)
		if p, err := Serve(options); !errors.Is(err, ErrAddress) {
			t.Errorf("%+v: %v, %v", options, p, err)
		}
	}
	failing := newNetwork(1, 1)
	failing.failWith = errors.New("unreadable")
	if _, err := Serve(Options{Address: "127.0.0.1:0", Source: failing}); !errors.Is(err, failing.failWith) {
		t.Errorf("a network that cannot be inspected: %v", err)
	}
}

// read reads events of a stream until one has a name.
func read(t *testing.T, stream *bufio.Reader, name string, into any) {
	t.Helper()
	for {
		line, err := stream.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for %s: %v", name, err)
		}
		if line != "event: "+name+"\n" {
			continue
		}
		data, err := stream.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), into); err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		return
	}
}

func open(t *testing.T, p *Page) *bufio.Reader {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", p.URL()+"events", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	return bufio.NewReader(response.Body)
}

// An open page gets the whole state, then what happens, then what has changed.
func TestStream(t *testing.T) {
	n := newNetwork(6, 3)
	p := serve(t, n, nil)
	stream := open(t, p)
	var hello helloText
	read(t, stream, "hello", &hello)
	if len(hello.Nodes) != 6 || hello.Difficulty != 1 || hello.Messages == nil || hello.Marks == nil {
		t.Fatalf("%+v", hello)
	}
	name := func(i int) string { return n.state.Nodes[i].PubkeyEd25519 }
	n.happen(1, node.Event{Kind: node.EventRelayed, Peer: name(2)})
	n.happen(2, node.Event{Kind: node.EventExited, Hop: 1})
	n.happen(2, node.Event{Kind: node.EventStored, Hashes: []string{"abcdefghijklmnopqrstuvwxyz"}})
	n.happen(2, node.Event{Kind: node.EventServed, Method: "store", Status: 200})
	n.happen(4, node.Event{Kind: node.EventReplicated, Peer: name(2), Count: 1,
		Hashes: []string{"abcdefghijklmnopqrstuvwxyz"}})
	var tick tickText
	for len(tick.Events) == 0 || len(tick.Messages) == 0 {
		read(t, stream, "tick", &tick)
	}
	want := "[[0 -1 1 0 1] [1 1 2 0 1] [3 2 2 0 1] [4 2 4 0 1]]"
	if fmt.Sprint(tick.Events) != want {
		t.Errorf("events %v, want %v", tick.Events, want)
	}
	m := tick.Messages[0]
	if m.Hash != "abcdefghijklmnop" || m.Need != 3 || len(m.Copies) != 2 || m.Copies[0].From != client ||
		m.Copies[1].Node != 4 || m.Copies[1].From != 2 {
		t.Errorf("message %+v", m)
	}
	n.change(func(state *devnet.Inspection) { state.Nodes[5].Running, state.Difficulty = false, 9 })
	p.collector.poke()
	tick = tickText{}
	for len(tick.Marks) == 0 {
		tick = tickText{}
		read(t, stream, "tick", &tick)
	}
	if tick.Difficulty != 9 || len(tick.Nodes) != 1 || tick.Marks[0].Text != "difficulty 9" ||
		tick.Marks[1].Text != "stopped: node 5" {
		t.Errorf("%+v", tick)
	}
	past := p.collector.past(time.Now().Unix())
	if !strings.Contains(string(past), `"statuses":[0,0,0,0,0,2]`) {
		t.Errorf("the past is %s", past)
	}
}

// port is the port that a page listens at.
func (p *Page) port() int {
	_, text, err := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(p.url, "http://"), "/"))
	if err != nil {
		panic(err)
	}
	var port int
	if _, err := fmt.Sscan(text, &port); err != nil {
		panic(err)
	}
	return port
}
