package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// OpenInput opens a file that the user has named, to read it. A named pipe whose other end is missing, and one without
// data, make OpenInput and Read wait until ctx ends.
func OpenInput(ctx context.Context, path string) (io.ReadCloser, error) {
	file, err := openInput(ctx, path)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		return file, nil
	}
	return struct {
		io.Reader
		io.Closer
	}{interruptible{ctx, file}, file}, nil
}

func openInput(ctx context.Context, path string) (*os.File, error) {
	if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return os.Open(path) // returns at once
	}
	type opened struct {
		file *os.File
		err  error
	}
	done := make(chan opened, 1)
	go func() {
		file, err := os.Open(path)
		done <- opened{file, err}
	}()
	select {
	case result := <-done:
		return result.file, result.err
	case <-ctx.Done(): // the goroutine ends with the process
		return nil, fmt.Errorf("opening %s: %w", path, context.Cause(ctx))
	}
}

// settingsPatience is how long the config file and a network file may take to read: they may be pipes.
const settingsPatience = 5 * time.Second

// readSettings reads a file that is read before a command runs, up to limit bytes. check looks at the opened file.
func readSettings(path string, limit int64, check func(*os.File) error) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), settingsPatience)
	defer cancel()
	file, err := openInput(ctx, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := check(file); err != nil {
		return nil, err
	}
	in := io.Reader(file)
	if info, err := file.Stat(); err == nil && !info.Mode().IsRegular() {
		in = interruptible{ctx, file}
	}
	return io.ReadAll(io.LimitReader(in, limit))
}
