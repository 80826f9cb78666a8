//go:build unix

package distance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// The flags of scripts/bench-distance.
var (
	benching   = flag.Bool("distance", false, "run the measurement of scripts/bench-distance")
	generation = flag.String("generation", "2.0", "storage RPC of the nodes: 2.0 or 2.8")
	like       = flag.String("like", "", "behave like servers of a version, as devnet up --like")
	delay      = flag.Duration("delay", 100*time.Millisecond, "delay of each request at each node")
	recipients = flag.Int("recipients", 200, "recipients of the batch")
	size       = flag.Int("batch", 1000, "drafts of a batch")
	processes  = flag.Int("processes", 20, "processes for a median or a percentile")
	fault      = flag.String("fault", "", "fault of node 0, such as hang, stop or drop,share=0.05")
	rows       = flag.String("rows", "poll,send,sync,batch,one,waiting", "what to measure")
	parallel   = flag.String("parallel", "", "--parallel of batches")
	profiles   = flag.String("profiles", "", "folder for profiles of the processor time of all processes")
)

// field is a network with its people, on the disk of this machine.
type field struct {
	t      *testing.T
	dir    string
	binary string
	ids    map[string]string
}

// run runs the program for a person, and returns what it prints and what it took.
func (f *field) run(person, input string, args ...string) (string, usage) {
	f.t.Helper()
	out, took, err := f.try(person, input, args...)
	if err != nil {
		f.t.Fatalf("%s %q: %v: %.2000s", person, args, err, out)
	}
	return out, took
}

// usage is the time and the memory of a process.
type usage struct {
	time      time.Duration
	processor time.Duration
	kilobytes int64
}

func (f *field) try(person, input string, args ...string) (string, usage, error) {
	if person != "" {
		args = append(args, "--keystore", filepath.Join(f.dir, person))
	}
	cmd := exec.Command(f.binary, args...)
	cmd.Env = f.environment()
	cmd.Stdin = strings.NewReader(input)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	started := time.Now()
	err := cmd.Run()
	took := usage{time: time.Since(started)}
	if cmd.ProcessState != nil {
		took.processor = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if rusage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			took.kilobytes = rusage.Maxrss
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: %.2000s", err, problems.String())
	}
	return out.String(), took, err
}

func (f *field) environment() []string {
	env := []string{"HOME=" + f.dir, "PATH=" + os.Getenv("PATH")}
	if *profiles != "" {
		env = append(env, profileVariable+"="+*profiles)
	}
	return env
}

// build makes the program, or takes this test binary in its place, which writes profiles.
func (f *field) build() {
	f.t.Helper()
	if *profiles != "" {
		binary, err := os.Executable()
		if err != nil {
			f.t.Fatal(err)
		}
		f.binary = binary
		return
	}
	f.binary = filepath.Join(f.dir, "sessiontool")
	build := exec.Command("go", "build", "-trimpath", "-o", f.binary, "../../../cmd/sessiontool")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		f.t.Fatalf("%v: %s", err, output)
	}
}

// newField builds the program and starts a devnet.
func newField(t *testing.T) *field {
	f := &field{t: t, dir: t.TempDir(), ids: make(map[string]string)}
	f.build()
	args := []string{"devnet", "up", "--detach", "--nodes", "12", "--swarm-size", "5"}
	if *like != "" {
		args = append(args, "--like", *like)
	} else {
		args = append(args, "--generation", *generation)
	}
	t.Cleanup(func() { f.run("", "", "devnet", "down") })
	f.run("", "", args...)
	return f
}

func (f *field) person(name string) string {
	f.t.Helper()
	if f.ids[name] == "" {
		out, _ := f.run(name, "", "keygen", "--account", name, "--display-name", name)
		f.ids[name] = gjson.Get(out, "session_id").Str
	}
	return f.ids[name]
}

// friends makes people friends of alice.
func (f *field) friends(names ...string) {
	f.t.Helper()
	alice := f.person("alice")
	var drafts strings.Builder
	for _, name := range names {
		fmt.Fprintf(&drafts, `{"to":%q,"text":"hello"}`+"\n", f.person(name))
	}
	f.run("alice", drafts.String(), "friend-request", "send", "--protocol", "signal")
	for _, name := range names {
		f.run(name, "", "poll")
		f.run(name, "", "friend-request", "accept", alice)
	}
	f.run("alice", "", "poll")
	for _, name := range names {
		f.run(name, "", "poll")
	}
}

// drafts are n texts for people in turn.
func (f *field) drafts(n int, names ...string) string {
	var drafts strings.Builder
	for i := range n {
		fmt.Fprintf(&drafts, `{"to":%q,"text":"text %d, and what a text of usual length says beside","ref":"%d"}`+"\n",
			f.person(names[i%len(names)]), i, i)
	}
	return drafts.String()
}

// far makes the nodes late.
func (f *field) far() {
	f.t.Helper()
	if *delay > 0 {
		f.run("", "", "devnet", "fault", "set", "delay", "--delay", delay.String())
	}
}

func (f *field) near() {
	f.t.Helper()
	f.run("", "", "devnet", "fault", "clear")
}

// trip is the time of one onion request of a process that has its connections.
func (f *field) trip() time.Duration {
	f.t.Helper()
	key := "pubKey"
	if *generation == "2.8" || *like != "" && *like != "2.0.7" {
		key = "pubkey"
	}
	request := fmt.Sprintf(`{"method":"get_snodes_for_pubkey","params":{%q:%q}}`, key, f.ids["alice"])
	once, _ := f.run("alice", request, "onion", "send")
	if gjson.Get(once, "status").Int() != 200 {
		f.t.Fatalf("the answer is %s", once)
	}
	var one, six []float64
	for range 5 {
		_, took := f.run("alice", request, "onion", "send")
		one = append(one, took.time.Seconds())
		_, took = f.run("alice", strings.Repeat(request+"\n", 6), "onion", "send")
		six = append(six, took.time.Seconds())
	}
	return time.Duration((median(six) - median(one)) / 5 * float64(time.Second))
}

func median(values []float64) float64 { return percentile(values, 50) }

func percentile(values []float64, p int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

// result is a line of output.
type result struct {
	Row       string  `json:"row"`
	Seconds   float64 `json:"seconds"`
	Trips     float64 `json:"round_trips,omitempty"`
	P99       float64 `json:"p99_seconds,omitempty"`
	Rate      float64 `json:"per_second,omitempty"`
	Processor float64 `json:"processor_seconds,omitempty"`
	Megabytes float64 `json:"rss_mb,omitempty"`
	Note      string  `json:"note,omitempty"`
}

func report(r result) {
	round := func(v *float64) { *v = float64(int64(*v*1000+0.5)) / 1000 }
	for _, v := range []*float64{&r.Seconds, &r.Trips, &r.P99, &r.Rate, &r.Processor, &r.Megabytes} {
		round(v)
	}
	line, err := json.Marshal(r)
	if err != nil {
		panic(err) // it has numbers and text
	}
	fmt.Println(string(line))
}

func (u usage) row(name string, n int) result {
	return result{
		Row: name, Seconds: u.time.Seconds(), Rate: float64(n) / u.time.Seconds(), Processor: u.processor.Seconds(),
		Megabytes: float64(u.kilobytes) / 1024,
	}
}

// repeated is the median and the 99th percentile of processes.
func (f *field) repeated(name string, trip time.Duration, n int, run func(i int) usage) {
	var took []float64
	for i := range n {
		took = append(took, run(i).time.Seconds())
	}
	r := result{Row: name, Seconds: median(took), P99: percentile(took, 99)}
	if *delay > 0 {
		r.Trips = r.Seconds / trip.Seconds()
	}
	report(r)
}

// send is a batch with its flags.
func (f *field) send(drafts string) usage {
	args := []string{"send", "--select", "ok"}
	if *parallel != "" {
		args = append(args, "--parallel", *parallel)
	}
	out, took := f.run("alice", drafts, args...)
	if got, want := strings.Count(out, "true"), strings.Count(drafts, "\n"); got != want {
		f.t.Errorf("%d of %d were sent", got, want)
	}
	return took
}

// sync measures the synchronous route: from the start of a process that sends to a friend that listens until the
// listener has printed the text. A node delays requests and not answers, so that the way is that of one onion request.
func (f *field) sync(trip time.Duration) {
	f.t.Helper()
	args := []string{"listen", "--only", "message", "--select", "text", "--keystore", filepath.Join(f.dir, "bob")}
	cmd := exec.Command(f.binary, args...)
	cmd.Env = f.environment()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil {
			f.t.Log(err) // an interrupted listener says so
		}
	}()
	printed := bufio.NewScanner(out)
	// what is sent before the listener's status has come is stored, and the listener polls for it
	for started, route := time.Now(), ""; route != "sync"; {
		f.run("alice", "", "poll")
		text, _ := f.run("alice", "", "send", "--to", f.ids["bob"], "--text", "is bob there?", "--select", "route")
		if route = strings.TrimSpace(text); time.Since(started) > time.Minute {
			f.t.Fatal("bob does not listen")
		}
		if !printed.Scan() {
			f.t.Fatal("the listener ends: ", printed.Err())
		}
	}
	f.repeated("send to the line of a listener, new process", trip, *processes, func(i int) usage {
		text, started := fmt.Sprint("text ", i), time.Now()
		done := make(chan string, 1)
		go func() {
			route, _, err := f.try("alice", "", "send", "--to", f.ids["bob"], "--text", text, "--select", "route")
			done <- fmt.Sprint(strings.TrimSpace(route), err)
		}()
		if !printed.Scan() || printed.Text() != text {
			f.t.Fatalf("the listener prints %q in place of %q: %v", printed.Text(), text, printed.Err())
		}
		took := usage{time: time.Since(started)}
		if got := <-done; got != "sync<nil>" {
			f.t.Errorf("the text went by %s", got)
		}
		return took
	})
}

// TestDistance is scripts/bench-distance.
func TestDistance(t *testing.T) {
	if !*benching {
		t.Skip("scripts/bench-distance runs it")
	}
	f := newField(t)
	names := []string{"bob"}
	for i := 1; i < *recipients; i++ {
		names = append(names, fmt.Sprint("friend", i))
	}
	wanted := func(row string) bool { return slices.Contains(strings.Split(*rows, ","), row) }
	if !wanted("batch") {
		names = names[:1]
	}
	f.friends(names...)
	f.far()
	trip := f.trip()
	report(result{Row: "onion round trip", Seconds: trip.Seconds()})
	bob := f.ids["bob"]
	f.run("alice", "", "send", "--to", bob, "--text", "first contact at this distance")
	f.run("bob", "", "poll")
	if *fault != "" {
		args := append([]string{"devnet", "fault", "set"}, strings.Fields(*fault)...)
		f.run("", "", append(args, "--node", "0")...)
		defer f.near()
	}
	if wanted("poll") {
		f.repeated("empty poll, new process", trip, *processes, func(int) usage {
			_, took := f.run("bob", "", "poll")
			return took
		})
	}
	if wanted("send") {
		f.repeated("send, new process", trip, *processes, func(i int) usage {
			_, took := f.run("alice", "", "send", "--to", bob, "--text", fmt.Sprint("text ", i))
			return took
		})
		f.run("bob", "", "poll")
	}
	if wanted("sync") {
		f.sync(trip)
	}
	if wanted("batch") {
		took := f.send(f.drafts(*size, names...))
		report(took.row(fmt.Sprintf("%d drafts to %d recipients", *size, len(names)), *size))
		f.run("bob", "", "poll")
	}
	if wanted("one") || wanted("waiting") {
		took := f.send(f.drafts(*size, "bob"))
		report(took.row(fmt.Sprintf("%d drafts to one recipient", *size), *size))
	}
	if wanted("waiting") {
		out, took := f.run("bob", "", "poll", "--select", "text")
		report(took.row(fmt.Sprintf("poll of %d waiting", *size), *size))
		f.inOrder(out)
	}
}

// inOrder checks that a poll prints the texts of a batch in its order.
func (f *field) inOrder(out string) {
	n := 0
	for line := range strings.Lines(out) {
		if want := fmt.Sprintf("text %d,", n); !strings.HasPrefix(line, want) {
			f.t.Errorf("the poll prints %q in place of %q", line, want)
			return
		}
		n++
	}
	if n != *size {
		f.t.Errorf("the poll prints %d of %d", n, *size)
	}
}
