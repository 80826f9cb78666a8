//go:build unix

package simulation

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"
)

// The flags of scripts/simulate.
var (
	seeds       = flag.Int("seeds", 4, "how many schedules to run")
	from        = flag.Uint64("from", 1, "the first seed")
	profileName = flag.String("profile", "", "quick, hostile, clocks, disks or long; empty: the first four in turn")
	workers     = flag.Int("workers", runtime.NumCPU(), "how many processes run schedules")
	tracing     = flag.Bool("trace", false, "print the trace of each schedule")
	untilFailed = flag.Bool("until-failure", false, "end with the first seed that fails")
	exactly     = flag.Bool("exact", false, "run goroutines in the same order in every run of a seed")
	alone       = flag.Bool("alone", false, "give each seed a process of its own, as -exact does")
	building    = flag.String("build", "", "write the program of -exact to this file, and do nothing else")
	replayed    = flag.Bool("replay", false, "run each seed twice, exactly, and compare the traces")
	figures     = flag.String("figures", "", "append the figures to this file, to be joined with those of other runs")
	joined      = flag.Bool("sum", false, "print the figures of all runs in the file of -figures")
	keeping     = flag.String("keep", "", "write the shrunk schedule to this file")
	shrinking   = flag.Bool("shrink", true, "shrink the schedule of the first seed that fails")
)

// job is what a process of its own does, in the environment variable jobVariable.
type job struct {
	program string // that does it

	From    uint64
	Seeds   int
	Stride  int
	Profile string
	Shrink  string // the invariant that a shrunk schedule must violate; empty: run the schedules as they are
	Trace   bool
	Given   *schedule // instead of one that a seed makes
}

const jobVariable = "SESSIONTOOL_TEST_SIMULATION"

// report is a line of output of a process: the begin of a schedule, or its result.
type report struct {
	Begin      bool           `json:"begin,omitempty"`
	Seed       uint64         `json:"seed"`
	Profile    string         `json:"profile"`
	Violations []violation    `json:"violations,omitempty"`
	Stats      map[string]int `json:"stats,omitempty"`
	Checks     map[string]int `json:"checks,omitempty"`
	Virtual    time.Duration  `json:"virtual,omitempty"`
	Processor  time.Duration  `json:"processor,omitempty"`
	Trace      []string       `json:"trace,omitempty"`
	Schedule   *schedule      `json:"schedule,omitempty"` // the shrunk one
}

// profileOf returns the profile of a seed.
func profileOf(name string, seed uint64) profile {
	for _, p := range profiles {
		if p.name == name {
			return p
		}
	}
	return profiles[seed%4]
}

// folderSize returns the size of all files in a folder.
func folderSize(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was removed meanwhile
		}
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

// hangs is the real time of one schedule after which the virtual clock must stand still: a goroutine then computes
// without end, or waits for a lock whose holder waits for the clock (see package waitmutex).
const hangs = 5 * time.Minute

// run plays a schedule in a bubble of its own, with its own random numbers in crypto/rand.
func run(t *testing.T, s schedule) (result outcome) {
	t.Helper()
	t.Run("schedule", func(t *testing.T) {
		watchdog := time.AfterFunc(hangs, func() { panic(fmt.Sprint("the schedule has run for ", hangs)) })
		defer watchdog.Stop()
		dir := folder(t)
		cryptotest.SetGlobalRandom(t, s.Seed)
		synctest.Test(t, func(*testing.T) { result = play(s, dir) })
	})
	return result
}

// TestJob is the work of one process.
func TestJob(t *testing.T) {
	text := os.Getenv(jobVariable)
	if text == "" {
		t.Skip("it is run by TestSimulate")
	}
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		t.Fatal(err)
	}
	// One goroutine runs at a time, and is not interrupted: so a seed does the same in every run, nearly.
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)                // between schedules only
	if _, err := template(); err != nil { // it takes random numbers that the first schedule would then lack
		t.Fatal(err)
	}
	output := json.NewEncoder(os.Stdout)
	write := func(r report) {
		if err := output.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range j.Seeds {
		seed := j.From + uint64(i*j.Stride)
		s := draw(profileOf(j.Profile, seed), seed)
		if j.Given != nil {
			s = *j.Given
		}
		write(report{Begin: true, Seed: seed, Profile: s.Profile})
		if j.Shrink != "" {
			small, trace := shrink(t, s, j.Shrink)
			write(report{Seed: seed, Profile: s.Profile, Schedule: &small, Trace: trace})
			continue
		}
		before := processor()
		result := run(t, s)
		result.checks["no goroutine left"]++ // else synctest.Test fails
		if j.Seeds > 1 || seed%collected == 0 {
			runtime.GC()
			result.bounded()
		}
		r := report{
			Seed: seed, Profile: s.Profile, Violations: result.violations, Stats: result.stats, Checks: result.checks,
			Virtual: result.virtual, Processor: processor() - before,
		}
		if j.Trace || len(result.violations) > 0 {
			r.Trace = result.trace
		}
		write(r)
	}
}

// collected is how many processes of one schedule there are for each that checks its memory: a collection of garbage
// takes a twentieth of a schedule.
const collected = 8

// heapBound is the memory that may be in use after a schedule, when its world is gone.
const heapBound = 64 << 20

// bounded checks that the schedule has left no memory behind.
func (o *outcome) bounded() {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	o.checks["bounded memory"]++
	if memory.HeapAlloc > heapBound {
		o.violations = append(o.violations, violation{"bounded memory", fmt.Sprint(memory.HeapAlloc, " bytes are in use")})
	}
}

// processor is the time that this process has used of a processor.
func processor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// runsToShrink bounds the schedules that shrink tries.
const runsToShrink = 200

// shrink leaves out operations and kills as long as the schedule violates an invariant without them. It returns the
// shrunk schedule and its trace.
func shrink(t *testing.T, s schedule, invariant string) (small schedule, trace []string) {
	runs := 0
	fails := func(s schedule) bool {
		if runs++; runs > runsToShrink {
			return false
		}
		result := run(t, s)
		if !slices.ContainsFunc(result.violations, func(v violation) bool { return v.Invariant == invariant }) {
			return false
		}
		trace = result.trace
		return true
	}
	if !fails(s) {
		return s, []string{"it does not fail again"}
	}
	for size := (len(s.Ops) + 1) / 2; size > 0; {
		shorter := false
		for at := 0; at < len(s.Ops); {
			without := s
			without.Ops = slices.Concat(s.Ops[:at], s.Ops[min(at+size, len(s.Ops)):])
			if fails(without) {
				s, shorter = without, true
			} else {
				at += size
			}
		}
		if size > 1 {
			size = (size + 1) / 2
		} else if !shorter {
			break
		}
	}
	for i := range s.Ops {
		if s.Ops[i].Kill.At == 0 {
			continue
		}
		without := s
		without.Ops = slices.Clone(s.Ops)
		without.Ops[i].Kill = kill{}
		if fails(without) {
			s = without
		}
	}
	return s, trace
}

// parts divides a job into those of one process each: with the exact order, a schedule has a process of its own, since
// the order depends on addresses and so on what ran before.
func (j job) parts() []job {
	if !*exactly && !*replayed && !*alone {
		return []job{j}
	}
	var parts []job
	for i := range j.Seeds {
		part := j
		part.From, part.Seeds = j.From+uint64(i*j.Stride), 1
		parts = append(parts, part)
	}
	return parts
}

// start runs a job in a process of its own, and calls each with its reports. It returns the output of the process if it
// failed.
func (j job) start(ctx context.Context, t *testing.T, each func(report)) (failure string) {
	text, err := json.Marshal(j)
	if err != nil {
		t.Error(err)
		return ""
	}
	cmd := exec.CommandContext(ctx, j.program, "-test.run=^TestJob$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), jobVariable+"="+string(text), "GODEBUG=asyncpreemptoff=1,adaptivestackstart=1", "GOTRACEBACK=all")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return ""
	}
	var stderr, other bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return ""
	}
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		var r report
		if json.Unmarshal(line, &r) == nil && r.Profile != "" {
			each(r)
		} else {
			other.Write(line)
		}
		if err == io.EOF || ctx.Err() != nil {
			break
		}
		if err != nil {
			t.Error(err)
			break
		}
	}
	if err := cmd.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Sprintf("%v\n%s%s", err, other.String(), stderr.String())
	}
	return ""
}

// summary adds up reports.
type summary struct {
	mu        sync.Mutex
	stats     map[string]int
	checks    map[string]int
	processor time.Duration
	virtual   time.Duration
	failed    []report
	running   map[int]report // by worker
}

func (s *summary) add(worker int, r report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Begin {
		s.running[worker] = r
		return
	}
	delete(s.running, worker)
	for what, n := range r.Stats {
		s.stats[what] += n
	}
	for what, n := range r.Checks {
		s.checks[what] += n
	}
	s.processor += r.Processor
	s.virtual += r.Virtual
	if *tracing {
		fmt.Println(strings.Join(r.Trace, "\n"))
	}
	if len(r.Violations) > 0 {
		s.failed = append(s.failed, r)
	}
}

// hasExactOrder is true in the program of -exact.
const hasExactOrder = false

// TestSimulate searches for faults: it runs schedules, and shrinks the first one that fails.
func TestSimulate(t *testing.T) {
	if *joined {
		sum(t, *figures)
		return
	}
	if *building != "" {
		buildAt(t, exactEdits(t), *building)
		return
	}
	program := simulator(t)
	if *replayed {
		replay(t, program)
		return
	}
	s := &summary{stats: make(map[string]int), checks: make(map[string]int), running: make(map[int]report)}
	count := max(1, min(*workers, *seeds))
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var running sync.WaitGroup
	for worker := range count {
		running.Go(func() {
			j := job{
				program: program, From: *from + uint64(worker), Seeds: (*seeds - worker + count - 1) / count, Stride: count,
				Profile: *profileName, Trace: *tracing,
			}
			each := func(r report) {
				for _, v := range r.Violations {
					t.Errorf("seed %d (%s): %s: %s", r.Seed, r.Profile, v.Invariant, v.Detail)
				}
				if s.add(worker, r); *untilFailed && len(r.Violations) > 0 {
					end()
				}
			}
			for _, part := range j.parts() {
				if ctx.Err() != nil {
					return
				}
				if failure := part.start(ctx, t, each); failure != "" {
					t.Errorf("seed %d (%s) ended the process: %s", s.running[worker].Seed, s.running[worker].Profile, failure)
				}
			}
		})
	}
	running.Wait()
	s.print(t)
	if err := s.save(*figures); err != nil {
		t.Error(err)
	}
	if len(s.failed) > 0 && *shrinking {
		s.failed[0].explain(t, program)
	}
}

// print prints the figures.
func (s *summary) print(t *testing.T) {
	t.Logf("%d schedules, %v of a processor each, %v of virtual time", s.stats["schedules"],
		(s.processor / time.Duration(max(1, s.stats["schedules"]))).Round(time.Millisecond), s.virtual.Round(time.Second))
	for name, counts := range map[string]map[string]int{"happened": s.stats, "checked": s.checks} {
		var parts []string
		for _, what := range slices.Sorted(maps.Keys(counts)) {
			parts = append(parts, fmt.Sprintf("%s %d", what, counts[what]))
		}
		t.Logf("%s: %s", name, strings.Join(parts, ", "))
	}
}

// runFigures is the figures of one run in the file of -figures.
type runFigures struct {
	From      uint64         `json:"from"`
	Seeds     int            `json:"seeds"`
	Profile   string         `json:"profile"`
	Failed    []string       `json:"failed"`
	Stats     map[string]int `json:"stats"`
	Checks    map[string]int `json:"checks"`
	Processor time.Duration  `json:"processor"`
	Virtual   time.Duration  `json:"virtual"`
}

// save appends the figures to a file, unless path is empty.
func (s *summary) save(path string) (err error) {
	if path == "" {
		return nil
	}
	r := runFigures{
		From: *from, Seeds: *seeds, Profile: *profileName, Failed: []string{}, Stats: s.stats, Checks: s.checks,
		Processor: s.processor, Virtual: s.virtual,
	}
	for _, failed := range s.failed {
		r.Failed = append(r.Failed, fmt.Sprintf("%d (%s): %s", failed.Seed, failed.Profile, failed.Violations[0].Invariant))
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = file.Write(append(line, '\n'))
	return err
}

// sum prints the joined figures of several runs.
func sum(t *testing.T, path string) {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := &summary{stats: make(map[string]int), checks: make(map[string]int)}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r runFigures
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d seeds from %d, profile %q, failed %q", r.Seeds, r.From, r.Profile, r.Failed)
		for what, n := range r.Stats {
			s.stats[what] += n
		}
		for what, n := range r.Checks {
			s.checks[what] += n
		}
		s.processor += r.Processor
		s.virtual += r.Virtual
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	s.print(t)
}

// explain prints the shrunk schedule of a failure and its trace.
func (r report) explain(t *testing.T, program string) {
	if !*exactly { // where it fails each time, shrinking is surer
		exact := buildWith(t, exactEdits(t))
		if again := violations(t, job{program: exact, From: r.Seed, Seeds: 1, Profile: r.Profile}); len(again) > 0 {
			program, r.Violations[0].Invariant = exact, again[0]
		}
	}
	j := job{program: program, From: r.Seed, Seeds: 1, Stride: 1, Profile: r.Profile, Shrink: r.Violations[0].Invariant}
	found := false
	failure := j.start(t.Context(), t, func(shrunk report) {
		if shrunk.Schedule != nil {
			found = true
			if err := shrunk.Schedule.keep(*keeping); err != nil {
				t.Error(err)
			}
			t.Logf("the shrunk schedule of seed %d:\n%s\n%s", r.Seed, shrunk.Schedule, strings.Join(shrunk.Trace, "\n"))
		}
	})
	if !found {
		t.Logf("shrinking seed %d failed: %s\n%s", r.Seed, failure, strings.Join(r.Trace, "\n"))
	}
}
