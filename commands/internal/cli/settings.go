package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Origins of a setting's value, the strongest first.
const (
	originFlag        = "flag"
	originEnvironment = "environment"
	originFile        = "file"
	OriginDefault     = "default"
)

// Settings are the global flags that can be set by the environment and the config file, too: in the environment
// lock-timeout is SESSIONTOOL_LOCK_TIMEOUT, in the file lock_timeout. Secrets are not among them, only where to find one.
var Settings = []string{
	"keystore", "account", "network", "timeout", "lock-timeout", "log-format", "log-level", "passphrase-file",
	"passphrase-command",
}

// passphraseSources are the flags that say where the passphrase comes from. One of them leaves environment and file out of
// it, and a variable the file: there is one source, not the best of several.
var passphraseSources = []string{"passphrase-file", "passphrase-command", "passphrase-fd", "ask-passphrase"}

// Origin is where a setting's value comes from: the kind of place, and its name.
type origin struct{ Kind, Source string }

// Origin returns where a setting's value comes from, and whether there is such a setting.
func (app *App) Origin(setting string) (from origin, ok bool) {
	from, ok = app.origins[setting]
	return from, ok
}

func VariableOf(setting string) string {
	return "SESSIONTOOL_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

func FileKeyOf(setting string) string { return strings.ReplaceAll(setting, "-", "_") }

// applySettings fills in what no flag says: from the environment, then from the config file. What is left has its default.
func (app *App) applySettings(flags *pflag.FlagSet) error {
	app.origins = make(map[string]origin)
	file, path, err := ReadConfig(app.Streams.Env)
	if err != nil {
		return err
	}
	byFlag := slices.ContainsFunc(passphraseSources, flags.Changed)
	byEnvironment := slices.ContainsFunc(Settings, func(name string) bool {
		return slices.Contains(passphraseSources, name) && app.Streams.Env(VariableOf(name)) != ""
	})
	for _, name := range Settings {
		flag := flags.Lookup(name)
		fromEnvironment, fromFile := app.Streams.Env(VariableOf(name)), file[FileKeyOf(name)]
		if slices.Contains(passphraseSources, name) {
			if byFlag {
				fromEnvironment = ""
			}
			if byFlag || byEnvironment {
				fromFile = ""
			}
		}
		switch {
		case flag.Changed:
			app.origins[name] = origin{originFlag, "--" + name}
		case fromEnvironment != "":
			app.origins[name] = origin{originEnvironment, VariableOf(name)}
			if err := flag.Value.Set(fromEnvironment); err != nil {
				return UsageError(fmt.Errorf("%s: %w", VariableOf(name), err))
			}
		case fromFile != "":
			app.origins[name] = origin{originFile, path}
			if err := flag.Value.Set(fromFile); err != nil {
				return fmt.Errorf("%w: %s: %s: %w", ErrBadConfig, path, FileKeyOf(name), err)
			}
		default:
			app.origins[name] = origin{OriginDefault, ""}
		}
	}
	return nil
}

// refuse makes a flag refuse values for which check returns an error, wherever they come from. check is called when the
// flag has a new value.
func refuse(flags *pflag.FlagSet, name string, check func() error) {
	flag := flags.Lookup(name)
	flag.Value = checkedValue{flag.Value, check}
}

type checkedValue struct {
	pflag.Value
	check func() error
}

// Set implements pflag.Value.
func (v checkedValue) Set(text string) error {
	if err := v.Value.Set(text); err != nil {
		return err
	}
	return v.check()
}

// ReadConfig reads the config file, if there is one: an object whose keys are settings and whose values are strings.
func ReadConfig(env func(string) string) (values map[string]string, path string, err error) {
	path, err = ConfigPath(env)
	if err != nil {
		return nil, "", nil // without a home there is no config file
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, path, nil
	}
	if err != nil {
		return nil, path, fmt.Errorf("%w: %w", ErrBadConfig, err)
	}
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, path, fmt.Errorf("%w: %s: %w", ErrBadConfig, path, err)
	}
	values = make(map[string]string)
	for key, entry := range entries {
		if !slices.ContainsFunc(Settings, func(name string) bool { return FileKeyOf(name) == key }) {
			return nil, path, fmt.Errorf("%w: %s: there is no setting %q", ErrBadConfig, path, key)
		}
		var value string
		if err := json.Unmarshal(entry, &value); err != nil {
			return nil, path, fmt.Errorf("%w: %s: %s: %.40s is not a string", ErrBadConfig, path, key, entry)
		}
		values[key] = value
	}
	return values, path, nil
}
