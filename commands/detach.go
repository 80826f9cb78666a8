package commands

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"sessiontool/lib/record"
)

// detachDevnet runs the same command without --detach in a process of its own, and returns when that one has printed
// its network record.
func (app *App) detachDevnet(ctx context.Context, opts *devnetOptions) error {
	dir, err := app.checkDevnet(opts)
	if err != nil {
		return err
	}
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, "devnet.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{
		"devnet", "up", "--dir", dir, "--name", opts.name, fmt.Sprint("--nodes=", opts.nodes),
		fmt.Sprint("--swarm-size=", opts.swarmSize), fmt.Sprint("--difficulty=", opts.difficulty),
		"--generation=" + opts.generation,
		fmt.Sprint("--allow-unsigned=", opts.allowUnsigned), "--listen=" + opts.listen,
		"--metrics=" + opts.metrics,
	}
	args = append(args, app.logging.arguments()...)
	for _, fault := range opts.faults {
		args = append(args, "--fault="+fault)
	}
	child := exec.Command(executable, args...)
	child.Stderr = log
	child.SysProcAttr = detached()
	stdout, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	out, err := awaitDevnet(ctx, stdout)
	if err != nil {
		ended := errors.Join(child.Process.Kill(), child.Wait())
		if failure := toldFailure(log.Name()); failure != nil && ctx.Err() == nil {
			return failure
		}
		return errors.Join(fmt.Errorf("%w; see %s", err, log.Name()), ended)
	}
	if err := child.Process.Release(); err != nil {
		return err
	}
	return app.print(out)
}

// awaitDevnet reads the network record that a starting devnet prints.
func awaitDevnet(ctx context.Context, stdout io.Reader) (out record.Network, err error) {
	lines := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(stdout).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &out)
		}
		lines <- err
	}()
	select {
	case err := <-lines:
		if err != nil {
			return out, fmt.Errorf("the devnet did not start: %w", err)
		}
		return out, nil
	case <-ctx.Done():
		return record.Network{}, ctx.Err()
	}
}

// relayedError is the failure of another process of ours, as its error record tells it.
type relayedError struct {
	code    record.Code
	message string
}

func (e *relayedError) Error() string { return e.message }

// toldFailure returns the failure that the last line of a log tells of, or nil if it tells of none.
func toldFailure(log string) error {
	data, err := os.ReadFile(log)
	if err != nil {
		return nil
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	var problem record.Error
	if json.Unmarshal(lines[len(lines)-1], &problem) != nil || problem.Type != record.TypeError {
		return nil
	}
	return &relayedError{record.Code(problem.Code), problem.Message}
}
