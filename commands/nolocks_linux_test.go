package commands

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// withoutLocks is a program for scripts: 'withoutlocks refused CMD ...' runs a command for which flock fails as on a
// file system without locks, and 'withoutlocks granted CMD ...' one for which flock succeeds and locks nothing, as on
// NFS without locking. The kernel does it with a filter for system calls: the command is the real binary.
func withoutLocks() {
	answers := map[string]uint32{"refused": uint32(unix.ENOSYS), "granted": 0}
	answer, ok := answers[os.Args[1]]
	path, err := exec.LookPath(os.Args[2])
	if !ok || err != nil {
		fmt.Fprintln(os.Stderr, "usage: withoutlocks refused|granted CMD ...", err)
		os.Exit(2)
	}
	runtime.LockOSThread()
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS // of the number of the system call, which comes first
		equals = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		result = unix.BPF_RET | unix.BPF_K
	)
	filter := []unix.SockFilter{
		{Code: load},
		{Code: equals, K: unix.SYS_FLOCK, Jf: 1},
		{Code: result, K: unix.SECCOMP_RET_ERRNO | answer},
		{Code: result, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err == nil {
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
		if errno == 0 {
			err = unix.Exec(path, os.Args[2:], os.Environ())
		} else {
			err = errno
		}
		fmt.Fprintln(os.Stderr, "withoutlocks:", err)
	}
	os.Exit(2)
}

func init() { scriptPrograms["withoutlocks"] = withoutLocks }
