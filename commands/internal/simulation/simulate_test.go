package simulation

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds       = flag.Int("seeds", 20, "how many schedules to run")
	from        = flag.Uint64("from", 1, "the first seed")
	profileName = flag.String("profile", "", "quick, hostile, clocks, disks or long; by default each seed has one of the first four")
	verbose     = flag.Bool("trace", false, "print the trace of each schedule")
)

func TestMain(m *testing.M) {
	flag.Parse()
	runtime.GOMAXPROCS(1) // one goroutine at a time: runs differ less
	os.Exit(m.Run())
}

func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// run plays a schedule in a bubble of its own.
func run(t *testing.T, s schedule) (result outcome) {
	t.Helper()
	dir := folder(t)
	synctest.Test(t, func(*testing.T) { result = play(s, dir) })
	return result
}

// profileOf returns the profile of a seed.
func profileOf(seed uint64) profile {
	for _, p := range profiles {
		if p.name == *profileName {
			return p
		}
	}
	return profiles[seed%4]
}

// TestSeeds searches for faults.
func TestSeeds(t *testing.T) {
	stats, checks := make(map[string]int), make(map[string]int)
	started := time.Now()
	for seed := *from; seed < *from+uint64(*seeds); seed++ {
		s := draw(profileOf(seed), seed)
		t.Run(fmt.Sprint(s.Profile, "/", seed), func(t *testing.T) {
			result := run(t, s)
			for what, n := range result.stats {
				stats[what] += n
			}
			for what, n := range result.checks {
				checks[what] += n
			}
			if *verbose {
				fmt.Println(strings.Join(result.trace, "\n"))
			}
			for _, v := range result.violations {
				t.Errorf("%s: %s", v.invariant, v.detail)
			}
			if len(result.violations) > 0 {
				t.Log(s)
			}
		})
	}
	t.Logf("%d schedules in %v", *seeds, time.Since(started).Round(time.Millisecond))
	for _, counts := range []map[string]int{stats, checks} {
		var parts []string
		for _, what := range slices.Sorted(maps.Keys(counts)) {
			parts = append(parts, fmt.Sprintf("%s %d", what, counts[what]))
		}
		t.Log(strings.Join(parts, ", "))
	}
}
