// Build: GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -o plugin.wasm .
//
// go_http_headers is a plugin of the standard Go compiler: it reads every header of the request and of the response,
// all at once and each by its name, and logs them: some twenty host calls for a plain request. The response gets
// x-go-wasm: the number of headers that the plugin has logged. It takes no configuration.
package main

import (
	"strconv"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {}

func init() {
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
}

func (*pluginContext) NewHttpContext(uint32) types.HttpContext {
	return &httpContext{}
}

type httpContext struct {
	types.DefaultHttpContext
	logged int
}

func (h *httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	headers, err := proxywasm.GetHttpRequestHeaders()
	h.log("request header --> ", headers, err, proxywasm.GetHttpRequestHeader)
	return types.ActionContinue
}

func (h *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	headers, err := proxywasm.GetHttpResponseHeaders()
	h.log("response header <-- ", headers, err, proxywasm.GetHttpResponseHeader)
	if err := proxywasm.ReplaceHttpResponseHeader("x-go-wasm", strconv.Itoa(h.logged)); err != nil {
		proxywasm.LogError("x-go-wasm: " + err.Error())
	}
	return types.ActionContinue
}

func (h *httpContext) log(title string, headers [][2]string, err error, get func(string) (string, error)) {
	if err != nil {
		proxywasm.LogError(title + err.Error())
	}
	for _, header := range headers {
		value, err := get(header[0])
		if err != nil {
			proxywasm.LogError(title + header[0] + ": " + err.Error())
			continue
		}
		proxywasm.LogInfo(title + header[0] + ": " + value)
		h.logged++
	}
}
