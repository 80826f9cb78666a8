package commands

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/tidwall/gjson"
)

// pow solve prints a record as soon as it has it, while its input is still open, and a signal ends its wait for more.
func TestPowSolveStream(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "pow", "solve", "--difficulty", "1")
	cmd.Args[0] = "sessiontool"
	cmd.Env = []string{"HOME=" + t.TempDir(), complaints + "=" + os.Getenv(complaints)}
	stdin, lines, problems := startPiped(t, cmd)
	for _, ref := range []string{"a", "b", "c"} {
		fmt.Fprintf(stdin, `{"ref":%q,"to":"05%s","timestamp_ms":1590000000000,"ttl_ms":3600000,`+
			`"data_base64":"aGVsbG8="}`+"\n",
			ref, strings.Repeat("ab", 32))
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%v: %s", err, problems)
		}
		if gjson.Get(line, "ref").Str != ref || gjson.Get(line, "nonce").Str == "" {
			t.Errorf("got %s", line)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 143 || !strings.Contains(problems.String(), `"code":"terminated"`) {
		t.Errorf("exit code %d: %s", cmd.ProcessState.ExitCode(), problems)
	}
}
