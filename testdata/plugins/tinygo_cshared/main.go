// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -buildmode=c-shared -no-debug .
//
// tinygo_cshared is custom_response_header as a reactor: the host calls _initialize, and main never runs, so that the VM
// context is set in init. It replaces response headers by its configuration:
//
//	{"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}
package main

import (
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {}

func init() {
	proxywasm.SetVMContext(&vmContext{})
}

// One VM runs the plugin for every route that enables it.
type vmContext struct {
	types.DefaultVMContext
}

func (*vmContext) NewPluginContext(uint32) types.PluginContext {
	return &pluginContext{}
}

type header struct {
	name, value string
}

// A pluginContext is the plugin under the configuration of one route.
type pluginContext struct {
	types.DefaultPluginContext
	headers []header
}

func (p *pluginContext) OnPluginStart(int) types.OnPluginStartStatus {
	configuration, err := proxywasm.GetPluginConfiguration()
	if err != nil {
		proxywasm.LogErrorf("reading the configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	if p.headers, err = parseHeaders(configuration); err != nil {
		proxywasm.LogErrorf("decoding the configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func parseHeaders(configuration []byte) ([]header, error) {
	root, err := fastjson.ParseBytes(configuration)
	if err != nil {
		return nil, err
	}
	var headers []header
	for _, item := range root.GetArray("headers") {
		headers = append(headers, header{
			name:  string(item.GetStringBytes("name")),
			value: string(item.GetStringBytes("value")),
		})
	}
	return headers, nil
}

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext {
	return &httpContext{plugin: p}
}

// An httpContext is one exchange: a request and its response.
type httpContext struct {
	types.DefaultHttpContext
	plugin *pluginContext
}

func (h *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	for _, header := range h.plugin.headers {
		if err := proxywasm.ReplaceHttpResponseHeader(header.name, header.value); err != nil {
			proxywasm.LogErrorf("replacing %s: %v", header.name, err)
		}
	}
	return types.ActionContinue
}
