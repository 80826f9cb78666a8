package atomicfile

// SyncDir does nothing: Windows does not sync folders.
func SyncDir(string) error { return nil }
