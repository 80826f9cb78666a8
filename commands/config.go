package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// config is the content of the config file: defaults for the global flags.
type config struct {
	Keystore string `json:"keystore"`
	Account  string `json:"account"`
	Network  string `json:"network"`
	Timeout  string `json:"timeout"`
}

// loadConfig reads config.json in the user's config folder, if there is one.
func loadConfig(env func(string) string) (config, error) {
	var c config
	dir, err := userDir(env, "XDG_CONFIG_HOME", ".config")
	if err != nil {
		return c, nil // without a home there is no config file
	}
	path := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, usageError(fmt.Errorf("%s: %w", path, err))
	}
	return c, nil
}

// dataDir is where the keystore is unless something else is said.
func dataDir(env func(string) string) (string, error) {
	return userDir(env, "XDG_DATA_HOME", filepath.Join(".local", "share"))
}

// stateDir is where running devnets are noted.
func stateDir(env func(string) string) (string, error) {
	return userDir(env, "XDG_STATE_HOME", filepath.Join(".local", "state"))
}

// userDir returns this program's folder below an XDG base folder.
func userDir(env func(string) string, variable, fallback string) (string, error) {
	if base := env(variable); filepath.IsAbs(base) {
		return filepath.Join(base, "sessiontool"), nil
	}
	home := env("HOME")
	if home == "" {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return "", usageError(fmt.Errorf("no home folder: use --keystore, or set %s: %w", variable, err))
		}
	}
	return filepath.Join(home, fallback, "sessiontool"), nil
}
