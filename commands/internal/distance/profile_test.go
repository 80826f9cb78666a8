//go:build unix

package distance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"

	"sessiontool/commands"
)

// profileVariable makes this test binary the program, which writes a profile of its processor time into a folder.
const profileVariable = "SESSIONTOOL_BENCH_PROFILES"

func TestMain(m *testing.M) {
	dir := os.Getenv(profileVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	code, err := profiled(dir, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

// profiled runs the program, and writes FOLDER/COMMAND-PROCESS.pprof.
func profiled(dir string, args []string) (code int, err error) {
	name := strings.Join(args[:min(2, len(args))], "-")
	file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d.pprof", filepath.Base(name), os.Getpid())))
	if err != nil {
		return 0, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return 0, errors.Join(err, file.Close())
	}
	code = commands.Main(args, commands.System())
	pprof.StopCPUProfile()
	return code, file.Close()
}
