package devnetcmd

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

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

// runDevnetUpDetached runs the same command without --detach in another process, and returns when that process has
// printed its network record.
func runDevnetUpDetached(ctx context.Context, app *cli.App, opts *devnetUpOptions) error {
	dir, err := checkDevnet(app, opts)
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
		fmt.Sprint("--allow-unsigned=", opts.allowUnsigned),
		fmt.Sprint("--rate-limit=", opts.limits.rate), fmt.Sprint("--max-store-bytes=", opts.limits.storeBytes),
		fmt.Sprint("--page-remote=", opts.page.remote), fmt.Sprint("--latency=", opts.distance.Latency),
		fmt.Sprint("--jitter=", opts.distance.Jitter), fmt.Sprint("--loss=", opts.distance.Loss),
	}
	for _, flag := range [][2]string{
		{"generation", opts.generation}, {"like", opts.like}, {"seed-time", opts.seedTime}, {"listen", opts.listen},
		{"metrics", opts.metrics}, {"page", opts.page.address},
	} {
		if flag[1] != "" {
			args = append(args, "--"+flag[0]+"="+flag[1])
		}
	}
	args = append(args, app.LogArguments()...)
	for _, fault := range opts.faults {
		args = append(args, "--fault="+fault)
	}
	child := exec.Command(executable, args...)
	child.Stderr = log
	child.SysProcAttr = cli.Detached()
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
		if reported := lastReport(log.Name()); reported != nil && ctx.Err() == nil {
			return reported
		}
		return errors.Join(fmt.Errorf("%w; see %s", err, log.Name()), ended)
	}
	if err := child.Process.Release(); err != nil {
		return err
	}
	if err := app.Print(out); err != nil {
		return err
	}
	for _, failure := range out.Failed {
		if err := app.Print(failure); err != nil {
			return err
		}
	}
	return nil
}

// lastReport returns the error that a process whose stderr is in the file has ended with, nil if there is none.
func lastReport(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil // what is known without it has to do
	}
	text = bytes.TrimSpace(text)
	reported := &cli.ReportedError{}
	if json.Unmarshal(text[bytes.LastIndexByte(text, '\n')+1:], reported) != nil || reported.Type != record.TypeError {
		return nil
	}
	return reported
}

// awaitDevnet reads the records that a starting devnet prints: that of the network, and one for each node that cannot
// start.
func awaitDevnet(ctx context.Context, stdout io.Reader) (out record.Network, err error) {
	lines := make(chan error, 1)
	go func() {
		reader := bufio.NewReader(stdout)
		line, err := reader.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &out)
		}
		for i := 0; err == nil && i < len(out.Failed); i++ {
			_, err = reader.ReadBytes('\n') // it is in out, too
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
