// Package server stands in for the embedded server of a plugin: the gateway calls the plugin itself.
package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sluiceway"

	pdk "github.com/Kong/go-pdk"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
)

type (
	rewriter    interface{ Rewrite(*pdk.PDK) }
	accesser    interface{ Access(*pdk.PDK) }
	responser   interface{ Response(*pdk.PDK) }
	logger      interface{ Log(*pdk.PDK) }
	certificate interface{ Certificate(*pdk.PDK) }
	prereader   interface{ Preread(*pdk.PDK) }
)

// StartServer has the gateway make an instance for each configuration. It never returns, as in a plugin that serves.
// Version and priority are the gateway's configuration to say.
func StartServer(constructor func() interface{}, version string, priority int) error {
	sluiceway.Register(func(configuration []byte) (*sluiceway.Plugin, error) {
		instance := constructor()
		if len(bytes.TrimSpace(configuration)) > 0 {
			if err := json.Unmarshal(configuration, instance); err != nil {
				return nil, fmt.Errorf("decoding config: %w", err)
			}
		}
		return phases(instance)
	})
	sluiceway.Serve()
	return nil
}

// phases finds the methods of an instance that the gateway can call.
func phases(instance interface{}) (*sluiceway.Plugin, error) {
	made := &sluiceway.Plugin{}
	if p, ok := instance.(logger); ok {
		made.Log = func(e *sluiceway.Exchange) { p.Log(pdk.New(e)) }
	}
	if p, ok := instance.(responser); ok {
		made.Response = func(e *sluiceway.Exchange) { p.Response(pdk.New(e)) }
	}
	rewrite, hasRewrite := instance.(rewriter)
	access, hasAccess := instance.(accesser)
	if hasRewrite || hasAccess {
		made.Request = func(e *sluiceway.Exchange) {
			kong := pdk.New(e)
			if hasRewrite {
				rewrite.Rewrite(kong)
			}
			if hasAccess && !e.Answer.Written() {
				access.Access(kong)
			}
		}
	}
	for name, has := range unserved(instance) {
		if has {
			proxywasm.LogWarnf("the plugin's phase %s is not called: it is one of connections, before HTTP", name)
		}
	}
	if made.Request == nil && made.Response == nil && made.Log == nil {
		return nil, fmt.Errorf("%T has no method Rewrite, Access, Response or Log (kong *pdk.PDK)", instance)
	}
	return made, nil
}

func unserved(instance interface{}) map[string]bool {
	_, hasCertificate := instance.(certificate)
	_, hasPreread := instance.(prereader)
	return map[string]bool{"Certificate": hasCertificate, "Preread": hasPreread}
}
