// Package ip tells which addresses are trusted.
package ip

import "github.com/Kong/go-pdk/bridge"

// Ip is kong.IP.
type Ip struct{ bridge.PdkBridge }

// IsTrusted is not supported: which proxies are trusted, only the gateway knows.
func (ip Ip) IsTrusted(address string) (bool, error) {
	return false, bridge.Unsupported("kong.ip.is_trusted")
}
