package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sessiontool/lib/network"
	"sessiontool/lib/record"
)

// resolveNetwork finds the network that --network names: a seed's URL, a network file, the name of a running devnet
// or of a file in the config folder; without a name, the running devnet.
func (app *App) resolveNetwork() (record.Network, error) {
	name := app.networkName
	switch {
	case name == "":
		return app.runningDevnet("")
	case strings.Contains(name, "://"):
		return record.Network{Name: name, Seeds: []string{name}}, nil
	case strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, ".json"):
		return readNetworkFile(name)
	}
	found, err := app.runningDevnet(name)
	if !errors.Is(err, errNoNetwork) {
		return found, err
	}
	dir, dirErr := configDir(app.streams.Env)
	if dirErr != nil {
		return record.Network{}, err
	}
	path := filepath.Join(dir, "networks", name+".json")
	if _, statErr := os.Stat(path); statErr != nil {
		return record.Network{}, &codedError{
			codeOf: errNoNetwork, err: fmt.Errorf("no devnet called %q runs, and there is no %s", name, path),
		}
	}
	return readNetworkFile(path)
}

func readNetworkFile(path string) (record.Network, error) {
	var found record.Network
	data, err := os.ReadFile(path)
	if err != nil {
		return found, fmt.Errorf("%w: %w", network.ErrBadNetwork, err)
	}
	if err := json.Unmarshal(data, &found); err != nil {
		return found, fmt.Errorf("%w: %s: %w", network.ErrBadNetwork, path, err)
	}
	if len(found.Seeds) == 0 {
		return found, fmt.Errorf("%w: %s names no seeds", network.ErrBadNetwork, path)
	}
	return found, nil
}

// networkNames lists the running devnets and the network files of the config folder.
func (app *App) networkNames(context.Context) (names []string, err error) {
	running, err := app.devnets()
	if err != nil {
		return nil, err
	}
	for _, note := range running {
		names = append(names, note.Network.Name)
	}
	dir, err := configDir(app.streams.Env)
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "networks", "*.json"))
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	return names, err
}
