package keystore

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// memoryLimit returns how many bytes of memory this machine has, or the control group of this process may use.
func memoryLimit() uint64 {
	limit := uint64(unknownMemory)
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		limit = uint64(info.Totalram) * uint64(info.Unit)
	}
	// Inside a container its own group is the topmost one; "max" is no number.
	if content, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if group, err := strconv.ParseUint(string(bytes.TrimSpace(content)), 10, 64); err == nil {
			limit = min(limit, group)
		}
	}
	return limit
}
