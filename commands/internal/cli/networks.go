package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sessiontool/lib/network"
	"sessiontool/lib/network/public"
	"sessiontool/lib/onion"
	"sessiontool/lib/record"
	"sessiontool/lib/storage"
)

// ResolveNetwork finds the network that --network names: a URL of a seed, a network file, mainnet or testnet, the name
// of a running devnet or of a file in the config folder. Without a name it is the running devnet.
func (app *App) ResolveNetwork() (record.Network, error) {
	name := app.networkName
	switch {
	case name == "":
		return app.runningDevnet("")
	case strings.Contains(name, "://"):
		return record.Network{Name: name, Seeds: []string{name}}, nil
	case isPath(name):
		return readNetworkFile(name)
	}
	if known, ok := public.Known(name); ok {
		return record.Network{
			Name: known.Name, Seeds: known.Seeds, Generation: string(known.Generation), Pins: known.Pins,
		}, nil
	}
	found, err := app.runningDevnet(name)
	if !errors.Is(err, ErrNoNetwork) {
		return found, err
	}
	dir, dirErr := configDir(app.Streams.Env)
	if dirErr != nil {
		return record.Network{}, err
	}
	path := filepath.Join(dir, "networks", name+".json")
	if _, statErr := os.Stat(path); statErr != nil {
		return record.Network{}, WithCode(
			ErrNoNetwork, fmt.Errorf("no devnet called %q runs, and there is no %s", name, path))
	}
	return readNetworkFile(path)
}

// Nameable reports whether --network can name a devnet so.
func Nameable(name string) bool {
	_, known := public.Known(name)
	return name != "" && !known && !isPath(name)
}

// isPath reports whether --network names a file.
func isPath(network string) bool {
	return strings.ContainsAny(network, `/\`) || strings.HasSuffix(network, ".json")
}

// maxNetworkFile bounds the size of a network file in bytes.
const maxNetworkFile = 16 << 20

// readNetworkFile reads a network record that names seeds.
func readNetworkFile(path string) (record.Network, error) {
	var found record.Network
	data, err := readSettings(path, maxNetworkFile, func(*os.File) error { return nil })
	if err != nil {
		return found, fmt.Errorf("%w: %w", network.ErrBadNetwork, err)
	}
	if err := json.Unmarshal(data, &found); err != nil {
		return found, fmt.Errorf("%w: %s: %s", network.ErrBadNetwork, path, JSONProblem(err))
	}
	if len(found.Seeds) == 0 {
		return found, fmt.Errorf("%w: %s names no seeds", network.ErrBadNetwork, path)
	}
	return found, nil
}

// networkConfig returns the configuration of a client for a network.
func (app *App) networkConfig(found record.Network) (network.Config, error) {
	config := network.Config{
		Seeds: found.Seeds, Generation: storage.Generation(found.Generation),
		OnionVersion: onion.Version(found.OnionVersion), Random: rand.Reader, Now: app.Now, Log: app.Log,
		Pins: make(map[string][sha256.Size]byte),
	}
	proxy, source, err := app.Proxy()
	if err != nil {
		return config, err
	}
	if config.Proxy = proxy; !proxy.IsZero() {
		app.Log.Info("all connections go through a proxy", "proxy", proxy.String(), "setting", source)
	}
	if app.KeystoreDir != "" {
		config.StateFile = network.StatePath(app.KeystoreDir, found.Seeds)
	}
	config.KeepState = app.writeNothing
	switch found.OnionCipher {
	case "", "aes-gcm":
	case string(onion.XChaCha20):
		config.OnionCipher = onion.XChaCha20
	default:
		return config, fmt.Errorf("%w: onion_cipher %.20q is neither aes-gcm nor xchacha20", network.ErrBadNetwork,
			found.OnionCipher)
	}
	for seed, text := range found.Pins {
		pin, err := hex.DecodeString(text)
		if err != nil || len(pin) != sha256.Size {
			return config, fmt.Errorf("%w: the pin of %q is not 64 hex digits", network.ErrBadNetwork, seed)
		}
		if !slices.Contains(found.Seeds, seed) {
			return config, fmt.Errorf("%w: it pins %q, which is none of its seeds", network.ErrBadNetwork, seed)
		}
		config.Pins[seed] = [sha256.Size]byte(pin)
	}
	return config, nil
}

// NetworkNames lists the running devnets, the network files of the config folder and the public networks.
func (app *App) NetworkNames(context.Context) (names []string, err error) {
	running, err := app.Devnets()
	if err != nil {
		return nil, err
	}
	for _, note := range running {
		names = append(names, note.Network.Name)
	}
	dir, err := configDir(app.Streams.Env)
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "networks", "*.json"))
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	return append(names, "mainnet", "testnet"), err
}
