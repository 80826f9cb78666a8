package clients

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// FromBrowser reports whether a request may come from a page of another site in a browser: it names a foreign origin,
// or it came to a loopback address under a foreign name, as after DNS rebinding. Programs send no Origin, and reach
// this machine by its address.
func FromBrowser(r *http.Request) bool {
	if origin, sent := r.Header["Origin"]; sent && !isOwnOrigin(origin, r.Host) {
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return true
	}
	return onLoopback(r) && isForeignName(r.Host)
}

func isOwnOrigin(origin []string, host string) bool {
	return len(origin) == 1 && (origin[0] == "http://"+host || origin[0] == "https://"+host)
}

// onLoopback reports whether a request came to a loopback address of this machine.
func onLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.IP.IsLoopback()
}

// isForeignName reports whether the host of a request is a name in the DNS. Names without a dot, addresses, and names
// of service nodes are not.
func isForeignName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	return strings.Contains(host, ".") && !strings.HasSuffix(host, ".snode") && !strings.HasSuffix(host, ".localhost")
}

// RefuseBrowsers is handler for programs: a request from a page of another site gets 403, and is not read.
func RefuseBrowsers(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if FromBrowser(r) {
			w.Header().Set("Connection", "close")
			http.Error(w, "requests from web pages are refused", http.StatusForbidden)
			return
		}
		handler.ServeHTTP(w, r)
	})
}
