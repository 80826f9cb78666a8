package cli

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"sessiontool/lib/network"
	"sessiontool/lib/presence"
)

// FuzzConfig reads any config file: it is refused, or it has settings that the flags of the same names take or refuse.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"network":"mainnet","timeout":"5s","lock_timeout":"1s","log_format":"json","log_level":"debug"}`))
	f.Add([]byte(`{"timeout":"-1s","account":"` + strings.Repeat("a", 300) + `"}`))
	f.Add([]byte(`{"passphrase_file":"/dev/null","keystore":7}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		env := func(name string) string {
			if name == "XDG_CONFIG_HOME" {
				return dir
			}
			return ""
		}
		path, err := ConfigPath(env)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		if err == nil {
			err = os.WriteFile(path, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		values, _, err := ReadConfig(env)
		if err != nil {
			if !errors.Is(err, ErrBadConfig) || values != nil {
				t.Errorf("%v, %v", values, err)
			}
			return
		}
		for key := range values {
			if !slices.ContainsFunc(Settings, func(name string) bool { return FileKeyOf(name) == key }) {
				t.Errorf("%q is no setting", key)
			}
		}
		app, flags := New(Streams{Env: env}), pflag.NewFlagSet("", pflag.ContinueOnError)
		app.AddGlobalFlags(flags)
		if err := app.applySettings(flags); err != nil && !errors.Is(err, ErrBadConfig) {
			t.Errorf("%s: %v", content, err)
		}
	})
}

// FuzzNetworkFile reads any network file: it is refused as such, or a client can be made of it.
func FuzzNetworkFile(f *testing.F) {
	f.Add(`{"seeds":["https://seed.example"],"generation":"2.8","onion_cipher":"xchacha20","onion_version":2,
		"pins":{"https://seed.example":"36ea0b253537988551ee856e4fd20d55011e9c8b27eaa2f34b8f32a0bdf04f2d"}}`)
	f.Add(`{"seeds":["http://[::1]:1/x?y"],"onion_version":9}`)
	f.Add(`{"seeds":[""]}`)
	f.Fuzz(func(t *testing.T, content string) {
		config, err := networkFile(t, content)
		if err != nil && !errors.Is(err, network.ErrBadNetwork) {
			t.Errorf("%v", err)
		}
		if err == nil && len(config.Seeds) == 0 {
			t.Error("a network has no seeds")
		}
	})
}

// FuzzNote reads any note of a devnet.
func FuzzNote(f *testing.F) {
	f.Add([]byte(`{"network":{"name":"devnet","seeds":["http://127.0.0.1:1"]},"pid":1}`))
	f.Add([]byte(`[]`))
	dir := f.TempDir()
	owner := presence.In(dir)
	if err := owner.Announce(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := owner.Close(); err != nil {
			f.Error(err)
		}
	})
	path := filepath.Join(dir, owner.Name()+".json")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		note, err := readNote(dir, owner.Name())
		if err == nil && (note == nil || note.Presence != owner.Name()) {
			t.Errorf("%q is read as %+v", content, note)
		}
		if err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("%v does not name the file", err)
		}
	})
}

// FuzzPassphrase reads any passphrase: all of it but one end of line. One that is typed ends with its first line.
func FuzzPassphrase(f *testing.F) {
	f.Add("secret\r\n")
	f.Add("\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		typed, err := readTyped(strings.NewReader(text))
		if line, _, _ := strings.Cut(text, "\n"); err == nil && string(typed) != line {
			t.Errorf("typed, %q is read as %q", text, typed)
		}
		passphrase, err := readPassphrase(strings.NewReader(text))
		if err != nil {
			if len(text) <= maxPassphrase {
				t.Error(err)
			}
			return
		}
		if end, ok := strings.CutPrefix(text, string(passphrase)); !ok ||
			!slices.Contains([]string{"", "\n", "\r", "\r\n"}, end) {
			t.Errorf("%q is read as %q", text, passphrase)
		}
	})
}
