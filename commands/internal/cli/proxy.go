package cli

import (
	"errors"
	"fmt"
	"strings"

	"sessiontool/lib/storage/storagehttp"
)

// noProxy is the value of the setting proxy for direct connections.
const noProxy = "none"

// inheritedProxies are the variables with which other programs get a proxy, the strongest first. Service nodes are
// asked over https. exceptions are the variables with hosts that are reached without such a proxy.
var (
	inheritedProxies = []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"}
	exceptions       = []string{"NO_PROXY", "no_proxy"}
)

// proxySetting is the value of --proxy: empty, noProxy, or the URL of a proxy. It shows no password.
type proxySetting struct {
	text  string
	proxy storagehttp.Proxy
}

// Set implements pflag.Value.
func (s *proxySetting) Set(text string) (err error) {
	s.text, s.proxy = text, storagehttp.Proxy{}
	if text != noProxy && text != "" {
		s.proxy, err = storagehttp.ParseProxy(text)
	}
	return err
}

// String implements pflag.Value.
func (s *proxySetting) String() string {
	if s.proxy.IsZero() {
		return s.text
	}
	return s.proxy.String()
}

// Type implements pflag.Value.
func (s *proxySetting) Type() string { return "url" }

// Proxy returns the proxy for all connections to seeds and nodes, and the flag, variable or file that names it. A proxy
// of the setting counts for each connection. One of a variable of other programs leaves out the hosts of NO_PROXY, and no
// others: this machine's own are not among them by themselves.
func (app *App) Proxy() (proxy storagehttp.Proxy, source string, err error) {
	if app.proxy.text != "" {
		from := app.origins["proxy"]
		if app.proxy.proxy.HasPassword() && from.Kind != OriginFile {
			return proxy, from.Source, UsageError(errors.New(
				"other users can read arguments and environment: set a proxy that has a password in the config file"))
		}
		return app.proxy.proxy, from.Source, nil
	}
	for _, name := range inheritedProxies {
		value := app.Streams.Env(name)
		if value == "" {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		if proxy, err = storagehttp.ParseProxy(value); err != nil {
			return proxy, name, UsageError(fmt.Errorf("%s: %w", name, err))
		}
		for _, list := range exceptions {
			if hosts := app.Streams.Env(list); hosts != "" {
				return proxy.Except(hosts), name + ", except " + list + "=" + hosts, nil
			}
		}
		return proxy, name, nil
	}
	return proxy, "", nil
}
