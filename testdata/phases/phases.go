// Package phases calls one function of a plugin in every phase of its life, so that a plugin which does one thing
// "in the phase that its configuration names" need not spell out every callback of the SDK.
//
// A plugin's configuration is a JSON object, or nothing. "tick_period_milliseconds" in it starts the plugin's ticks.
// The VM configuration has the same form: it steers the phases which come before the plugin has a configuration.
package phases

import (
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

// The phases, in the order in which a plugin and then a stream go through them. PluginContextCreate and VMStart run on a
// handler configured by the VM configuration, all others on the handler of their plugin context.
const (
	PluginContextCreate = "plugin_context_create"
	VMStart             = "vm_start"
	Configure           = "configure"
	Tick                = "tick"
	ContextCreate       = "context_create"
	RequestHeaders      = "request_headers"
	RequestBody         = "request_body"
	RequestTrailers     = "request_trailers"
	ResponseHeaders     = "response_headers"
	ResponseBody        = "response_body"
	ResponseTrailers    = "response_trailers"
	Log                 = "log"
	PluginDone          = "done"
)

// Call is one callback of the host.
type Call struct {
	Phase       string
	ContextID   uint32
	Size        int  // fields of the headers or trailers, bytes of the body or of the configuration
	EndOfStream bool // of headers and bodies
}

// Handler is a plugin under one configuration. Run answers Pause only where the phase allows it: in headers, bodies and
// trailers. An error from Configure fails the plugin's start.
type Handler interface {
	Configure(configuration *fastjson.Value) error
	Run(call Call) types.Action
}

// Register makes newHandler's handlers the plugin. It belongs in main.
func Register(newHandler func() Handler) {
	proxywasm.SetVMContext(&vmContext{newHandler: newHandler})
}

type vmContext struct {
	newHandler func() Handler
	handler    Handler
}

// ofVM gives the handler for what happens before any plugin is configured.
func (v *vmContext) ofVM() Handler {
	if v.handler == nil {
		v.handler = v.newHandler()
		if configuration, err := proxywasm.GetVMConfiguration(); err == nil {
			if err := configure(v.handler, configuration); err != nil {
				proxywasm.LogErrorf("VM configuration: %v", err)
			}
		}
	}
	return v.handler
}

func (v *vmContext) OnVMStart(size int) types.OnVMStartStatus {
	v.ofVM().Run(Call{Phase: VMStart, Size: size})
	return types.OnVMStartStatusOK
}

func (v *vmContext) NewPluginContext(contextID uint32) types.PluginContext {
	v.ofVM().Run(Call{Phase: PluginContextCreate, ContextID: contextID})
	return &pluginContext{handler: v.newHandler(), contextID: contextID}
}

func configure(handler Handler, configuration []byte) error {
	root, err := fastjson.ParseBytes(configuration)
	if err != nil {
		return err
	}
	if period := root.GetUint("tick_period_milliseconds"); period > 0 {
		if err := proxywasm.SetTickPeriodMilliSeconds(uint32(period)); err != nil {
			return err
		}
	}
	return handler.Configure(root)
}

type pluginContext struct {
	types.DefaultPluginContext
	handler   Handler
	contextID uint32
}

func (p *pluginContext) OnPluginStart(size int) types.OnPluginStartStatus {
	if size > 0 {
		configuration, err := proxywasm.GetPluginConfiguration()
		if err == nil {
			err = configure(p.handler, configuration)
		}
		if err != nil {
			proxywasm.LogErrorf("configuration: %v", err)
			return types.OnPluginStartStatusFailed
		}
	}
	p.handler.Run(Call{Phase: Configure, ContextID: p.contextID, Size: size})
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) OnTick() {
	p.handler.Run(Call{Phase: Tick, ContextID: p.contextID})
}

func (p *pluginContext) OnPluginDone() bool {
	p.handler.Run(Call{Phase: PluginDone, ContextID: p.contextID})
	return true
}

func (p *pluginContext) NewHttpContext(contextID uint32) types.HttpContext {
	p.handler.Run(Call{Phase: ContextCreate, ContextID: contextID})
	return &httpContext{handler: p.handler, contextID: contextID}
}

type httpContext struct {
	handler   Handler
	contextID uint32
}

func (h *httpContext) run(phase string, size int, endOfStream bool) types.Action {
	return h.handler.Run(Call{Phase: phase, ContextID: h.contextID, Size: size, EndOfStream: endOfStream})
}

func (h *httpContext) OnHttpRequestHeaders(count int, endOfStream bool) types.Action {
	return h.run(RequestHeaders, count, endOfStream)
}

func (h *httpContext) OnHttpRequestBody(size int, endOfStream bool) types.Action {
	return h.run(RequestBody, size, endOfStream)
}

func (h *httpContext) OnHttpRequestTrailers(count int) types.Action {
	return h.run(RequestTrailers, count, true)
}

func (h *httpContext) OnHttpResponseHeaders(count int, endOfStream bool) types.Action {
	return h.run(ResponseHeaders, count, endOfStream)
}

func (h *httpContext) OnHttpResponseBody(size int, endOfStream bool) types.Action {
	return h.run(ResponseBody, size, endOfStream)
}

func (h *httpContext) OnHttpResponseTrailers(count int) types.Action {
	return h.run(ResponseTrailers, count, true)
}

func (h *httpContext) OnHttpStreamDone() {
	h.run(Log, 0, true)
}
