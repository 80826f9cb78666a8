package cli

import (
	"cmp"
	"fmt"
	"path/filepath"
)

// configDir is where the config file and named networks are.
func configDir(env func(string) string) (string, error) {
	return userDir(env, "XDG_CONFIG_HOME", ".config")
}

func ConfigPath(env func(string) string) (string, error) {
	dir, err := configDir(env)
	return filepath.Join(dir, "config.json"), err
}

// dataDir is where the keystore is unless something else is said.
func dataDir(env func(string) string) (string, error) {
	dir, err := userDir(env, "XDG_DATA_HOME", filepath.Join(".local", "share"))
	if err != nil {
		err = fmt.Errorf("%w, or use --keystore", err)
	}
	return dir, err
}

// StateDir is where running devnets are noted.
func StateDir(env func(string) string) (string, error) {
	return userDir(env, "XDG_STATE_HOME", filepath.Join(".local", "state"))
}

// userDir returns this program's folder below an XDG base folder.
func userDir(env func(string) string, variable, fallback string) (string, error) {
	if base := env(variable); filepath.IsAbs(base) {
		return filepath.Join(base, "sessiontool"), nil
	}
	home := cmp.Or(env("HOME"), env("USERPROFILE")) // the latter on Windows
	if home == "" {
		return "", UsageError(fmt.Errorf("there is no home folder: set HOME or %s", variable))
	}
	return filepath.Join(home, fallback, "sessiontool"), nil
}
