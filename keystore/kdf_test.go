package keystore

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
)

func plainKey(p kdf, passphrase []byte, salt [saltSize]byte) secret {
	return secret(argon2.IDKey(passphrase, salt[:], p.passes, p.memory, p.threads, uint32(len(secret{}))))
}

// The origin of the memory does not change the key, below and above the size from which huge pages are used.
func TestKey(t *testing.T) {
	for _, memory := range []uint32{64, 8 << 10, 16<<10 + 4} {
		p := kdf{memory: memory, passes: 1, threads: 2}
		for range 2 {
			if p.key([]byte("correct horse"), [saltSize]byte{1}) != plainKey(p, []byte("correct horse"),
				[saltSize]byte{1}) {
				t.Errorf("key with %d KiB is not Argon2id's", memory)
			}
		}
	}
}

// childUnlock derives a key. It prints the duration in nanoseconds, and how many KiB of the process's memory are in
// mappings advised for huge pages.
func childUnlock(context.Context, string) error {
	debug.SetGCPercent(-1) // what is measured stays where it is
	derive := kdf.key
	if os.Getenv("KEYSTORE_PLAIN") != "" {
		derive = plainKey
	}
	started := time.Now()
	derive(defaultKDF, []byte("correct horse"), [saltSize]byte{})
	_, err := fmt.Println(time.Since(started).Nanoseconds(), advisedKiB())
	return err
}

// advisedKiB sums up Rss of the mappings with the flag "hg". It is 0 where /proc/self/smaps does not show flags.
func advisedKiB() (sum int) {
	content, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return 0
	}
	resident := 0
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
		switch fields := strings.Fields(lines.Text()); {
		case fields[0] == "Rss:":
			resident, _ = strconv.Atoi(fields[1])
		case fields[0] == "VmFlags:" && slices.Contains(fields, "hg"):
			sum += resident
		}
	}
	return sum
}

// unlocked is the cost of deriving a key in a new process.
type unlocked struct {
	wall    time.Duration // of the derivation
	cpu     time.Duration // of the process
	advised int           // KiB
}

func unlockInChild(t testing.TB, env ...string) (u unlocked) {
	t.Helper()
	cmd := child(t, "unlock", "", env...)
	output, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(output), &u.wall, &u.advised); err != nil {
		t.Fatalf("child printed %q: %v", output, err)
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return u
}

// golang.org/x/crypto allocates where huge pages were advised. That depends on how the Go runtime reuses memory, which
// the runtime does not promise.
func TestHugePages(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage/enabled"); err != nil {
		t.Skip("this system has no huge pages that a program can ask for")
	}
	if u := unlockInChild(t, "KEYSTORE_PLAIN=1"); u.advised != 0 {
		t.Errorf("%d KiB have huge pages without asking", u.advised)
	}
	if u := unlockInChild(t); u.advised < int(defaultKDF.memory) {
		t.Errorf("huge pages were asked for %d KiB of the %d in use", u.advised, defaultKDF.memory)
	}
}

// BenchmarkUnlock measures what a passphrase adds to a command: a new process each time, alternating with plain
// Argon2id. The ratios are medians; that of processor time is more reliable on a busy machine.
func BenchmarkUnlock(b *testing.B) {
	var wall, ratios, cpuRatios []float64
	for b.Loop() {
		ours, plain := unlockInChild(b), unlockInChild(b, "KEYSTORE_PLAIN=1")
		wall = append(wall, float64(ours.wall))
		ratios = append(ratios, float64(ours.wall)/float64(plain.wall))
		cpuRatios = append(cpuRatios, float64(ours.cpu)/float64(plain.cpu))
	}
	b.ReportMetric(median(wall), "ns/op")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(cpuRatios), "cpu-ratio")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
