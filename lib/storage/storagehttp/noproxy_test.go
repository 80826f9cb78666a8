package storagehttp

import (
	"strings"
	"testing"
)

// NO_PROXY lists names with what is below them, addresses and ranges, each with or without a port.
func TestExceptions(t *testing.T) {
	for _, c := range []struct {
		list      string
		have, not string // hosts with ports, separated by blanks
	}{
		{"", "", "127.0.0.1:1 localhost:1 example.org:443"},
		{" , ,", "", "127.0.0.1:1 localhost:1"},
		{"*", "127.0.0.1:1 example.org:443 [2001:db8::1]:443", ""},
		{"localhost,127.0.0.1", "localhost:1 LOCALHOST:2 127.0.0.1:22023", "127.0.0.2:1 [::1]:1 mylocalhost:1"},
		{"127.0.0.0/8 ::1", "127.9.9.9:1 [::1]:1 [::ffff:127.0.0.1]:1", "128.0.0.1:1 localhost:1 [::2]:1"},
		{"10.0.0.7/8", "10.255.0.1:1", "11.0.0.1:1"},
		{"example.org", "example.org:443 seed.example.org:443 Example.Org.:1", "badexample.org:443 org:1 example.org.evil:1"},
		{".example.org,*.example.net", "seed.example.org:443 example.org:443 a.b.example.net:1", "example.com:443"},
		{"example.org:443,192.0.2.1:80", "example.org:443 192.0.2.1:80", "example.org:80 192.0.2.1:443"},
		{"[2001:db8::1]:443,2001:db8::2", "[2001:db8::1]:443 [2001:db8::2]:9", "[2001:db8::1]:80 [2001:db8::3]:443"},
		{"1.2.3.4/99,.,*.", "", "1.2.3.4:1 example.org:443 [::1]:1"},
	} {
		list := parseExceptions(c.list)
		for _, hosts := range []struct {
			text string
			want bool
		}{{c.have, true}, {c.not, false}} {
			for host := range strings.FieldsSeq(hosts.text) {
				at := strings.LastIndex(host, ":")
				name := strings.Trim(host[:at], "[]")
				if got := list.have(name, host[at+1:]); got != hosts.want {
					t.Errorf("NO_PROXY=%q has %s: %v", c.list, host, got)
				}
			}
		}
	}
}
