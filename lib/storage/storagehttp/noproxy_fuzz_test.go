package storagehttp

import "testing"

// FuzzExceptions reads any list of exceptions: what a part of it has, the whole has, and nothing else. An address itself is in
// a list of it alone.
func FuzzExceptions(f *testing.F) {
	f.Add("localhost,127.0.0.0/8", "example.org:443 [::1]:80", "127.0.0.1", "443")
	f.Add("*", "", "example.org", "1")
	f.Add("fe80::1%eth0", "*.example.org.", "a.example.org", "443")
	f.Fuzz(func(t *testing.T, one, other, host, port string) {
		first, second := parseExceptions(one).have(host, port), parseExceptions(other).have(host, port)
		if both := parseExceptions(one+","+other).have(host, port); both != (first || second) {
			t.Errorf("%q has %q: %v, %q: %v, both: %v", one, host, first, other, second, both)
		}
		if address, ok := parseAddress(host); ok && !parseExceptions(address.String()).have(host, port) {
			t.Errorf("%q is not in a list of it", host)
		}
	})
}
