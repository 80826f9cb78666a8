package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"sessiontool/keystore"
)

// SettingNamed returns the setting of a name, in its form of flags (lock-timeout) or of the file (lock_timeout).
func SettingNamed(name string) (setting string, ok bool) {
	setting = strings.ReplaceAll(name, "_", "-")
	return setting, slices.Contains(Settings, setting)
}

// CheckSetting returns an error if a setting cannot have a value. The flag of that name has the value afterwards.
func CheckSetting(flags *pflag.FlagSet, setting, value string) error {
	flag := flags.Lookup(setting)
	if err := flag.Value.Set(value); err != nil {
		return UsageError(fmt.Errorf("%s %q: %s", setting, value, valueProblem(flag.Value.Type(), err)))
	}
	if setting == "account" {
		if err := keystore.CheckAccountName(value); err != nil {
			return UsageError(fmt.Errorf("%s %q: %w", setting, value, err))
		}
	}
	return nil
}

// errConfigBusy reports that another process is changing the config file.
var errConfigBusy = errors.New("another process is changing the config file")

// configWait bounds the wait for other processes that change the config file. configAgain is the pause between tries.
const (
	configWait  = 10 * time.Second
	configAgain = 5 * time.Millisecond
)

// ChangeConfig changes the entries of the config file: it reads the file, calls change, and replaces the file
// atomically, with mode 0600. Processes do this one after the other. A file that is no JSON object, or that another user
// could have written, stays as it is. A symbolic link stays one.
func ChangeConfig(ctx context.Context, env func(string) string,
	change func(entries map[string]json.RawMessage) error) (path string, err error) {
	if path, err = ConfigPath(env); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return path, err
	}
	unlock, err := awaitFolder(ctx, filepath.Dir(path))
	if err != nil {
		return path, err
	}
	defer unlock()
	return path, replaceConfig(path, change)
}

// awaitFolder locks a folder against other processes that do the same, until unlock is called.
func awaitFolder(ctx context.Context, dir string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, configWait, errConfigBusy)
	defer cancel()
	for {
		folder, err := lockFolder(dir)
		if err == nil {
			return func() { folder.Close() }, nil
		}
		if !errors.Is(err, errConfigBusy) {
			return nil, err
		}
		select {
		case <-time.After(configAgain):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// replaceConfig does the work of ChangeConfig under its lock.
func replaceConfig(path string, change func(entries map[string]json.RawMessage) error) error {
	entries, err := configEntries(path)
	if err != nil {
		return err
	}
	if err := change(entries); err != nil {
		return err
	}
	data, err := json.MarshalIndent(entries, "", "  ")
	if err != nil {
		return err
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		target, err = path, nil
	}
	if err != nil {
		return err
	}
	_, err = Publish(target, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
	return err
}

// configEntries returns the entries of the config file, none if there is no file. Their keys may be no settings.
func configEntries(path string) (map[string]json.RawMessage, error) {
	entries := make(map[string]json.RawMessage)
	data, err := readTrusted(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return entries, nil
	case err != nil:
		return nil, configProblem(err)
	}
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, fmt.Errorf("%w: %s is not JSON: %s", ErrBadConfig, path, JSONProblem(err))
	}
	return entries, nil
}
