package storagehttp

import (
	"errors"
	"strings"
	"testing"
)

// FuzzParseProxy reads any URL of a proxy: it is refused, or it reads as itself again. Neither the error nor the text
// of the proxy has the password.
func FuzzParseProxy(f *testing.F) {
	for _, text := range []string{"socks5h://127.0.0.1:9050", "http://user:pa%20ss@proxy.example:8080/", "socks5://[::1]",
		"ftp://u:p@h", "http://h/x?y#z"} {
		f.Add(text, "word")
	}
	f.Fuzz(func(t *testing.T, text, password string) {
		p, err := ParseProxy(text)
		if err != nil && (!errors.Is(err, ErrProxyURL) || !p.IsZero()) {
			t.Errorf("%q: %v, %v", text, p, err)
		}
		if err == nil && p.HasPassword() {
			if again, err := ParseProxy(p.String()); err != nil || again.String() != p.String() {
				t.Errorf("%q is %q, and then %q, %v", text, p, again, err)
			}
		}
		secret := "x" + strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, password) + "-secret"
		for _, scheme := range []string{"socks5h", "http", "ftp"} {
			p, err := ParseProxy(scheme + "://user:" + secret + "@" + text)
			if err != nil && strings.Contains(err.Error(), secret) || strings.Contains(p.String(), secret) {
				t.Errorf("%q shows the password: %q, %v", text, p, err)
			}
		}
	})
}
