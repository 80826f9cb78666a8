package commands

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

const helloWorld = `package main

import "fmt"

func main() { fmt.Println("hello, world") }
`

// buildStripped builds a package, or a file, as a release does.
func buildStripped(b *testing.B, binary, source string) {
	b.Helper()
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, output)
	}
}

// BenchmarkStart is what starting the program costs: whole processes, in turn with one that prints a line. The median
// of version's time is reported as ns/op, and the medians of ratios: version's to that of a Go program that prints a
// line, and to version's that of a process that makes one durable change to a keystore. How long that waits for the
// disk can be left out of it by a TMPDIR in memory.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	hello, tool := filepath.Join(dir, "hello"), filepath.Join(dir, "sessiontool")
	source := filepath.Join(dir, "hello.go")
	if err := os.WriteFile(source, []byte(helloWorld), 0o600); err != nil {
		b.Fatal(err)
	}
	buildStripped(b, hello, source)
	buildStripped(b, tool, "../cmd/sessiontool")
	run := func(binary string, args ...string) float64 {
		cmd := exec.Command(binary, args...)
		cmd.Env = []string{"HOME=" + dir}
		started := time.Now()
		if err := cmd.Run(); err != nil {
			b.Fatalf("%q: %v", args, err)
		}
		return float64(time.Since(started))
	}

	var starts, toHello, toVersion []float64
	for b.Loop() {
		// A keystore of its own for each round, because one that has been rotated often has more to read.
		keystore := filepath.Join(dir, "keystore")
		if err := os.RemoveAll(keystore); err != nil {
			b.Fatal(err)
		}
		run(tool, "keygen", "--keystore", keystore, "--account", "alice")
		base := run(hello)
		start := run(tool, "version")
		change := run(tool, "prekey", "rotate", "--keystore", keystore)
		starts = append(starts, start)
		toHello = append(toHello, start/base)
		toVersion = append(toVersion, change/start)
	}
	b.ReportMetric(median(starts), "ns/op")
	b.ReportMetric(median(toHello), "version/hello")
	b.ReportMetric(median(toVersion), "change/version")
}

// median returns the value in the middle, of an even number of values the upper one.
func median(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }
