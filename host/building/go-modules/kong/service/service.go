// Package service is about where the request goes.
package service

import "github.com/Kong/go-pdk/bridge"

// Service is kong.Service.
type Service struct{ bridge.PdkBridge }

// SetUpstream is not supported: in Proxy-Wasm the route says where a request goes.
func (s Service) SetUpstream(host string) error {
	return bridge.Unsupported("kong.service.set_upstream")
}

// SetTarget is not supported: in Proxy-Wasm the route says where a request goes.
func (s Service) SetTarget(host string, port int) error {
	return bridge.Unsupported("kong.service.set_target")
}
