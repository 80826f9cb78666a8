//go:build !linux && !windows

package kv

import "os"

// syncData makes the file's content durable.
func syncData(file *os.File) error { return file.Sync() }
