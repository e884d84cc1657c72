// Build: GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -o plugin.wasm .
//
// go_response_header is custom_response_header for the standard Go compiler: it replaces response headers by its
// configuration, {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}.
package main

import (
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {}

func init() { proxywasm.SetVMContext(&vmContext{}) }

type vmContext struct{ types.DefaultVMContext }

func (*vmContext) NewPluginContext(uint32) types.PluginContext { return &pluginContext{} }

type header struct{ name, value string }

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
	root, err := fastjson.ParseBytes(configuration)
	if err != nil {
		proxywasm.LogErrorf("decoding the configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	for _, item := range root.GetArray("headers") {
		p.headers = append(p.headers, header{
			name:  string(item.GetStringBytes("name")),
			value: string(item.GetStringBytes("value")),
		})
	}
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext { return &httpContext{plugin: p} }

type httpContext struct {
	types.DefaultHttpContext
	plugin *pluginContext
}

func (c *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	for _, each := range c.plugin.headers {
		if err := proxywasm.ReplaceHttpResponseHeader(each.name, each.value); err != nil {
			proxywasm.LogErrorf("setting %s: %v", each.name, err)
		}
	}
	return types.ActionContinue
}
