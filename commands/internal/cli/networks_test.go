package cli

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sessiontool/lib/network"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
)

// networkFile writes a network file and reads it as --network does, up to what a client is made of.
func networkFile(t *testing.T, content string) (network.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "network.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	app := New(Streams{Env: func(string) string { return "" }})
	app.networkName = path
	found, err := app.ResolveNetwork()
	if err != nil {
		return network.Config{}, err
	}
	config, err := app.networkConfig(found)
	if config.StateFile != "" {
		t.Errorf("without a keystore's folder what is known of the network is kept in %q", config.StateFile)
	}
	if err == nil {
		var c *network.Client
		if c, err = network.New(config); err == nil {
			err = c.Close()
		}
	}
	return config, err
}

func TestNetworkFile(t *testing.T) {
	const pin = "36ea0b253537988551ee856e4fd20d55011e9c8b27eaa2f34b8f32a0bdf04f2d"
	config, err := networkFile(t, `{"seeds":["https://seed.example"],"generation":"2.8","onion_cipher":"xchacha20",
		"pins":{"https://seed.example":"`+pin+`"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if config.Generation != storage.Generation28 || config.OnionCipher != onion.XChaCha20 ||
		config.Pins["https://seed.example"][0] != 0x36 {
		t.Errorf("read as %+v", config)
	}
	for name, content := range map[string]string{
		"no seeds":              `{}`,
		"no JSON":               `seeds`,
		"another generation":    `{"seeds":["http://seed.example"],"generation":"2021"}`,
		"another cipher":        `{"seeds":["http://seed.example"],"onion_cipher":"aes-cbc"}`,
		"a pin that is none":    `{"seeds":["https://seed.example"],"pins":{"https://seed.example":"36ea"}}`,
		"a pin of another seed": `{"seeds":["https://seed.example"],"pins":{"https://seed.other":"` + pin + `"}}`,
	} {
		if _, err := networkFile(t, content); !errors.Is(err, network.ErrBadNetwork) {
			t.Errorf("%s: %v, want ErrBadNetwork", name, err)
		}
	}
}

// The public networks can be named; what they are is lib/network's.
func TestNamedNetworks(t *testing.T) {
	for _, name := range []string{"mainnet", "testnet"} {
		app := New(Streams{Env: func(string) string { return "" }})
		app.networkName = name
		found, err := app.ResolveNetwork()
		if err != nil || found.Name != name {
			t.Fatalf("%s is %+v, %v", name, found, err)
		}
		if config, err := app.networkConfig(found); err != nil || config.Generation != storage.Generation28 ||
			len(config.Pins) != len(found.Pins) {
			t.Errorf("%s is read as %+v, %v", name, config, err)
		}
	}
}
