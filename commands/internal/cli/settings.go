package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"sessiontool/keystore"
)

// Kinds of the origin of a setting's value, the strongest first.
const (
	originFlag        = "flag"
	OriginEnvironment = "environment"
	OriginFile        = "file"
	OriginDefault     = "default"
)

// Settings are the global flags that environment and config file can set, too: lock-timeout is SESSIONTOOL_LOCK_TIMEOUT
// in the environment and lock_timeout in the file. No setting is a secret; some name a place to read one from.
var Settings = []string{
	"keystore", "account", "network", "timeout", "lock-timeout", "parallel", "proxy", "output", "keep", "trace-journal", "log-format",
	"log-level", "passphrase-file",
	"passphrase-command",
}

// passphraseSources are the flags that name the source of the passphrase. There is one source: if one of these flags is
// given, the environment and the config file are ignored, and a variable overrides the file.
var passphraseSources = []string{"passphrase-file", "passphrase-command", "passphrase-fd", "ask-passphrase"}

// Origin is where the value of a setting comes from: Kind is one of the constants, Source names the flag, the variable
// or the file.
type Origin struct{ Kind, Source string }

// Origin returns where the value of a setting comes from, and whether there is such a setting.
func (app *App) Origin(setting string) (from Origin, ok bool) {
	from, ok = app.origins[setting]
	return from, ok
}

// VariableOf returns the environment variable of a setting.
func VariableOf(setting string) string {
	return "SESSIONTOOL_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// FileKeyOf returns the key of a setting in the config file.
func FileKeyOf(setting string) string { return strings.ReplaceAll(setting, "-", "_") }

// applySettings sets what no flag has set: from the environment, then from the config file, else to the default.
func (app *App) applySettings(flags *pflag.FlagSet) error {
	app.origins = make(map[string]Origin)
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
			app.origins[name] = Origin{originFlag, "--" + name}
		case fromEnvironment != "":
			app.origins[name] = Origin{OriginEnvironment, VariableOf(name)}
			if err := flag.Value.Set(fromEnvironment); err != nil {
				return UsageError(fmt.Errorf("%s: %s", VariableOf(name), valueProblem(flag.Value.Type(), err)))
			}
		case fromFile != "":
			app.origins[name] = Origin{OriginFile, path}
			if err := flag.Value.Set(fromFile); err != nil {
				problem := valueProblem(flag.Value.Type(), err)
				return fmt.Errorf("%w: %s: %s: %s", ErrBadConfig, path, FileKeyOf(name), problem)
			}
		default:
			app.origins[name] = Origin{OriginDefault, ""}
		}
	}
	return nil
}

// refuse makes a flag refuse values for which check returns an error, from every origin. It calls check after the flag
// has got its new value.
func refuse(flags *pflag.FlagSet, name string, check func() error) {
	flag := flags.Lookup(name)
	flag.Value = checkedValue{flag.Value, check}
}

// checkedValue is a flag value that is checked when it is set.
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

// maxConfig bounds the size of the config file in bytes.
const maxConfig = 1 << 20

// readTrusted reads a file that only the user or root can have written.
func readTrusted(path string) ([]byte, error) {
	return readSettings(path, maxConfig, keystore.CheckTrusted)
}

// ReadConfig reads the config file, if there is one: an object whose keys are settings and whose values are strings.
func ReadConfig(env func(string) string) (values map[string]string, path string, err error) {
	path, err = ConfigPath(env)
	if err != nil {
		return nil, "", nil // without a home there is no config file
	}
	entries, err := configEntries(path)
	if err != nil {
		return nil, path, err
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

// configProblem describes why the config file cannot be read.
func configProblem(err error) error {
	if errors.Is(err, keystore.ErrPermissions) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return fmt.Errorf("config file: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrBadConfig, err)
}
