package storagehttp

import (
	"net/netip"
	"strings"
)

// exceptions are the hosts that a client reaches without its proxy, as NO_PROXY lists them. The zero value is none.
type exceptions struct {
	all     bool
	entries []exception
}

// exception is one entry of a list: a range of addresses, or a name with the names below it. port is empty for all.
type exception struct {
	within netip.Prefix
	name   string
	port   string
}

// parseExceptions reads a list of hosts in the form that curl and other programs know as NO_PROXY, separated by commas or
// blanks: * for all, an address, a range such as 10.0.0.0/8, or a name, which counts for the names below it, too. Each may
// have a port.
func parseExceptions(list string) (e exceptions) {
	for _, entry := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		if entry == "*" {
			e.all = true
			continue
		}
		host, port := splitPort(strings.ToLower(entry))
		one := exception{port: port}
		if within, err := netip.ParsePrefix(host); err == nil {
			one.within = within.Masked()
		} else if address, ok := parseAddress(host); ok {
			one.within = netip.PrefixFrom(address, address.BitLen())
		} else {
			one.name = strings.Trim(strings.TrimPrefix(host, "*"), ".")
		}
		if one.within.IsValid() || one.name != "" {
			e.entries = append(e.entries, one)
		}
	}
	return e
}

// have reports whether a host and port is in the list. A name is compared as a name alone: it is not resolved, since the
// request for it would go past the proxy.
func (e exceptions) have(host, port string) bool {
	if e.all {
		return true
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	address, isAddress := parseAddress(host)
	for _, one := range e.entries {
		switch {
		case one.port != "" && one.port != port:
		case isAddress && one.within.IsValid():
			if one.within.Contains(address) {
				return true
			}
		case !isAddress && one.name != "":
			if host == one.name || strings.HasSuffix(host, "."+one.name) {
				return true
			}
		}
	}
	return false
}

// splitPort splits a port from an entry that has one.
func splitPort(entry string) (host, port string) {
	if inside, rest, ok := strings.Cut(strings.TrimPrefix(entry, "["), "]"); ok {
		return inside, strings.TrimPrefix(rest, ":")
	}
	if strings.Count(entry, ":") == 1 {
		host, port, _ = strings.Cut(entry, ":")
		return host, port
	}
	return entry, ""
}

// parseAddress reads an IP address. One of IPv4 within IPv6 is that of IPv4.
func parseAddress(text string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(text)
	return address.Unmap().WithZone(""), err == nil
}
