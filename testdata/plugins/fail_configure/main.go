// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// fail_configure answers false to proxy_on_configure when its configuration begins with "fail", and true otherwise. The
// configuration is plain text; a response carries it in x-configuration.
package main

import (
	"strings"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {
	proxywasm.SetVMContext(&vmContext{})
}

type vmContext struct {
	types.DefaultVMContext
}

func (*vmContext) NewPluginContext(uint32) types.PluginContext {
	return &pluginContext{}
}

type pluginContext struct {
	types.DefaultPluginContext
	configuration string
}

func (p *pluginContext) OnPluginStart(size int) types.OnPluginStartStatus {
	if size == 0 {
		return types.OnPluginStartStatusOK
	}
	configuration, err := proxywasm.GetPluginConfiguration()
	if err != nil {
		proxywasm.LogErrorf("reading the configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.configuration = string(configuration)
	if strings.HasPrefix(p.configuration, "fail") {
		proxywasm.LogErrorf("this plugin does not take the configuration %q", p.configuration)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext {
	return &httpContext{plugin: p}
}

type httpContext struct {
	types.DefaultHttpContext
	plugin *pluginContext
}

func (h *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	if err := proxywasm.ReplaceHttpResponseHeader("x-configuration", h.plugin.configuration); err != nil {
		proxywasm.LogErrorf("x-configuration: %v", err)
	}
	return types.ActionContinue
}
