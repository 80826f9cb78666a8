package cli

import (
	"cmp"
	"fmt"
	"path/filepath"
)

// configDir returns the folder of the config file and of named networks.
func configDir(env func(string) string) (string, error) {
	return userDir(env, "XDG_CONFIG_HOME", ".config")
}

// ConfigPath returns the path of the config file.
func ConfigPath(env func(string) string) (string, error) {
	dir, err := configDir(env)
	return filepath.Join(dir, "config.json"), err
}

// dataDir returns the default folder of the keystore.
func dataDir(env func(string) string) (string, error) {
	dir, err := userDir(env, "XDG_DATA_HOME", filepath.Join(".local", "share"))
	if err != nil {
		err = fmt.Errorf("%w, or use --keystore", err)
	}
	return dir, err
}

// StateDir returns the folder above the notes and the data of devnets.
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
