// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// callout asks another server about each request before it lets it pass:
//
//	{"upstream": "auth", "path": "/check", "authority": "auth.test", "timeout_milliseconds": 500,
//	 "forward": ["authorization"], "copy": ["x-user"]}
//
// The fields named by "forward" go to that server, beside the request's method and path (x-original-method, x-original-path).
// If it answers 2xx, its fields named by "copy" are put into the request, which goes on; otherwise the client gets its
// status and body. Where there is no answer, the client gets 503, or the request goes on with "fail_open": true.
//
// "method" (GET by default), "headers" and "trailers" (lists of pairs) and "body" make the request to that server.
// "calls": so many in parallel, 1 by default; all must agree. "report": true answers with what came of the last call: its
// status and body, fields x-call-… with its :status, sizes, failure, and the text of proxy_get_status.
package main

import (
	"errors"
	"strconv"
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	proxywasm.SetVMContext(&vmContext{})
}

type vmContext struct{ types.DefaultVMContext }

func (*vmContext) NewPluginContext(uint32) types.PluginContext { return &pluginContext{} }

type pluginContext struct {
	types.DefaultPluginContext
	upstream, method, path, authority string
	headers, trailers                 [][2]string
	forward, copied                   []string
	body                              []byte
	timeout                           uint32
	calls                             int
	failOpen, report                  bool
}

func (p *pluginContext) OnPluginStart(int) types.OnPluginStartStatus {
	configuration, err := proxywasm.GetPluginConfiguration()
	if err == nil {
		err = p.configure(configuration)
	}
	if err != nil {
		proxywasm.LogErrorf("configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) configure(configuration []byte) error {
	root, err := fastjson.ParseBytes(configuration)
	if err != nil {
		return err
	}
	p.upstream = string(root.GetStringBytes("upstream"))
	if p.upstream == "" {
		return errors.New(`"upstream" is missing`)
	}
	p.method = text(root, "method", "GET")
	p.path = text(root, "path", "/")
	p.authority = text(root, "authority", p.upstream)
	p.headers, p.trailers = pairs(root, "headers"), pairs(root, "trailers")
	p.forward, p.copied = texts(root, "forward"), texts(root, "copy")
	p.body = append([]byte(nil), root.GetStringBytes("body")...)
	p.timeout = uint32(root.GetUint("timeout_milliseconds"))
	p.calls = root.GetInt("calls")
	if p.calls == 0 {
		p.calls = 1
	}
	p.failOpen, p.report = root.GetBool("fail_open"), root.GetBool("report")
	return nil
}

func text(root *fastjson.Value, key, absent string) string {
	if !root.Exists(key) {
		return absent
	}
	return string(root.GetStringBytes(key))
}

func texts(root *fastjson.Value, key string) []string {
	var found []string
	for _, item := range root.GetArray(key) {
		found = append(found, string(item.GetStringBytes()))
	}
	return found
}

func pairs(root *fastjson.Value, key string) [][2]string {
	var found [][2]string
	for _, pair := range root.GetArray(key) {
		found = append(found, [2]string{string(pair.GetStringBytes("0")), string(pair.GetStringBytes("1"))})
	}
	return found
}

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext { return &httpContext{plugin: p} }

type httpContext struct {
	types.DefaultHttpContext
	plugin  *pluginContext
	pending int
}

func (h *httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	headers := h.request()
	for i := 0; i < h.plugin.calls; i++ {
		p := h.plugin
		if _, err := proxywasm.DispatchHttpCall(p.upstream, headers, p.body, p.trailers, p.timeout, h.answered); err != nil {
			proxywasm.LogErrorf("no call: %v", err)
			h.answer(503, nil, []byte("no call: "+err.Error()+"\n"))
			return types.ActionPause
		}
		h.pending++
	}
	return types.ActionPause
}

func (h *httpContext) request() [][2]string {
	p := h.plugin
	headers := [][2]string{{":method", p.method}, {":path", p.path}, {":authority", p.authority}}
	headers = append(headers, p.headers...)
	for _, name := range p.forward {
		if value, err := proxywasm.GetHttpRequestHeader(name); err == nil {
			headers = append(headers, [2]string{name, value})
		}
	}
	for _, pseudo := range [...]string{"method", "path"} {
		if value, err := proxywasm.GetHttpRequestHeader(":" + pseudo); err == nil {
			headers = append(headers, [2]string{"x-original-" + pseudo, value})
		}
	}
	return headers
}

func (h *httpContext) answered(fields, bodySize, trailers int) {
	h.pending--
	received, _ := proxywasm.GetHttpCallResponseHeaders()
	status, failure := 0, ""
	for _, pair := range received {
		switch pair[0] {
		case ":status":
			status, _ = strconv.Atoi(pair[1])
		case ":dispatch_status":
			failure = pair[1]
		}
	}
	switch {
	case h.plugin.report:
		if h.pending == 0 {
			h.tell(status, failure, fields, bodySize, trailers)
		}
	case status >= 200 && status < 300 || status == 0 && h.plugin.failOpen:
		h.take(received)
		if h.pending == 0 {
			h.resume()
		}
	case status == 0:
		h.answer(503, nil, []byte("no answer: "+failure+"\n"))
	default:
		body, _ := proxywasm.GetHttpCallResponseBody(0, bodySize)
		h.answer(uint32(status), nil, body)
	}
}

// take puts the fields that are to be copied into the request.
func (h *httpContext) take(received [][2]string) {
	for _, name := range h.plugin.copied {
		for _, pair := range received {
			if pair[0] == name {
				if err := proxywasm.ReplaceHttpRequestHeader(name, pair[1]); err != nil {
					proxywasm.LogErrorf("%s: %v", name, err)
				}
			}
		}
	}
}

func (h *httpContext) resume() {
	if err := proxywasm.ResumeHttpRequest(); err != nil {
		proxywasm.LogErrorf("resume: %v", err)
	}
}

func (h *httpContext) tell(status int, failure string, fields, bodySize, trailers int) {
	body, err := proxywasm.GetHttpCallResponseBody(0, bodySize)
	if err != nil && bodySize > 0 {
		proxywasm.LogErrorf("body: %v", err)
	}
	last := ""
	if received, err := proxywasm.GetHttpCallResponseTrailers(); err == nil && len(received) > 0 {
		last = received[0][0] + "=" + received[0][1]
	}
	number, message := callStatus()
	h.answer(200, [][2]string{
		{"x-call-status", strconv.Itoa(status)}, {"x-call-fields", strconv.Itoa(fields)},
		{"x-call-body", strconv.Itoa(bodySize)}, {"x-call-trailers", strconv.Itoa(trailers) + " " + last},
		{"x-call-failure", failure}, {"x-call-message", strconv.Itoa(int(number)) + " " + message},
	}, body)
}

func (h *httpContext) answer(status uint32, headers [][2]string, body []byte) {
	if err := proxywasm.SendHttpResponse(status, headers, body, -1); err != nil {
		proxywasm.LogErrorf("response: %v", err)
	}
}

//go:wasmimport env proxy_get_status
func proxyGetStatus(code unsafe.Pointer, message unsafe.Pointer, size unsafe.Pointer) uint32

// callStatus is what the SDK has no function for.
func callStatus() (uint32, string) {
	var code, size uint32
	var message *byte
	if proxyGetStatus(unsafe.Pointer(&code), unsafe.Pointer(&message), unsafe.Pointer(&size)) != 0 || size == 0 {
		return code, ""
	}
	return code, unsafe.String(message, int(size))
}
