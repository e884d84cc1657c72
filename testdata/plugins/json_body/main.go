// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// json_body rewrites JSON bodies: it removes, sets, and renames members, in requests and responses.
//
//	{"request": [{"op": "set", "path": "meta.source", "value": "gateway"}],
//	 "response": [{"op": "remove", "path": "user.password"}, {"op": "rename", "path": "user.mail", "to": "email"}]}
//
// A path is member names joined by dots; a number is a position in an array, and * means each of its elements. Objects
// on the way of `set` are made. A body is read when its Content-Type is JSON (application/json, or +json); one that is
// no JSON is answered 400 on its way in, and passes as it is on its way out.
package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
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
	request, response []edit
}

func (p *pluginContext) OnPluginStart(int) types.OnPluginStartStatus {
	configuration, err := proxywasm.GetPluginConfiguration()
	if err == nil {
		err = p.configure(configuration)
	}
	if err != nil {
		proxywasm.LogErrorf("the configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) configure(configuration []byte) error {
	root, err := fastjson.ParseBytes(configuration)
	if err != nil {
		return err
	}
	if p.request, err = edits(root.GetArray("request")); err != nil {
		return err
	}
	p.response, err = edits(root.GetArray("response"))
	return err
}

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext {
	return &httpContext{plugin: p}
}

type httpContext struct {
	types.DefaultHttpContext
	plugin                        *pluginContext
	requestIsJSON, responseIsJSON bool
}

func (h *httpContext) OnHttpRequestHeaders(_ int, endOfStream bool) types.Action {
	kind, err := proxywasm.GetHttpRequestHeader("content-type")
	h.requestIsJSON = err == nil && isJSON(kind) && len(h.plugin.request) > 0 && !endOfStream
	return types.ActionContinue
}

func (h *httpContext) OnHttpRequestBody(size int, endOfStream bool) types.Action {
	if !h.requestIsJSON {
		return types.ActionContinue
	}
	if !endOfStream {
		return types.ActionPause
	}
	body, err := proxywasm.GetHttpRequestBody(0, size)
	if err == nil {
		body, err = rewrite(body, h.plugin.request)
	}
	if err != nil {
		text := []byte("{\"error\":\"the content is no JSON\"}\n")
		headers := [][2]string{{"content-type", "application/json"}}
		if err := proxywasm.SendHttpResponse(400, headers, text, -1); err != nil {
			proxywasm.LogErrorf("answering: %v", err)
		}
		return types.ActionPause
	}
	if err := proxywasm.ReplaceHttpRequestBody(body); err != nil {
		proxywasm.LogErrorf("replacing the request's body: %v", err)
	}
	return types.ActionContinue
}

func (h *httpContext) OnHttpResponseHeaders(_ int, endOfStream bool) types.Action {
	kind, err := proxywasm.GetHttpResponseHeader("content-type")
	h.responseIsJSON = err == nil && isJSON(kind) && len(h.plugin.response) > 0 && !endOfStream
	return types.ActionContinue
}

func (h *httpContext) OnHttpResponseBody(size int, endOfStream bool) types.Action {
	if !h.responseIsJSON {
		return types.ActionContinue
	}
	if !endOfStream {
		return types.ActionPause
	}
	body, err := proxywasm.GetHttpResponseBody(0, size)
	if err == nil {
		body, err = rewrite(body, h.plugin.response)
	}
	if err != nil {
		proxywasm.LogWarnf("the response's body passes as it is: %v", err)
		return types.ActionContinue
	}
	if err := proxywasm.ReplaceHttpResponseBody(body); err != nil {
		proxywasm.LogErrorf("replacing the response's body: %v", err)
	}
	return types.ActionContinue
}

func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	kind = strings.TrimSpace(kind)
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// An edit is one of the three operations at one place.
type edit struct {
	op    string
	path  []string
	to    string
	value *fastjson.Value
}

func edits(items []*fastjson.Value) ([]edit, error) {
	var all []edit
	for _, item := range items {
		one := edit{
			op:    string(item.GetStringBytes("op")),
			path:  strings.Split(string(item.GetStringBytes("path")), "."),
			to:    string(item.GetStringBytes("to")),
			value: item.Get("value"),
		}
		switch {
		case one.path[0] == "":
			return nil, errors.New("an edit without a path")
		case one.op == "set" && one.value == nil:
			return nil, errors.New("set needs a value")
		case one.op == "rename" && one.to == "":
			return nil, errors.New("rename needs a name in `to`")
		case one.op != "set" && one.op != "remove" && one.op != "rename":
			return nil, errors.New("op is set, remove or rename, not " + one.op)
		}
		all = append(all, one)
	}
	return all, nil
}

func rewrite(body []byte, edits []edit) ([]byte, error) {
	root, err := fastjson.ParseBytes(body)
	if err != nil {
		return nil, err
	}
	for _, one := range edits {
		one.apply(root, one.path)
	}
	return root.MarshalTo(nil), nil
}

func (e edit) apply(at *fastjson.Value, path []string) {
	name, rest := path[0], path[1:]
	if name == "*" && at.Type() == fastjson.TypeArray {
		for index := range at.GetArray() {
			e.apply(at, append([]string{strconv.Itoa(index)}, rest...))
		}
		return
	}
	if len(rest) == 0 {
		e.finish(at, name)
		return
	}
	next := at.Get(name)
	if next == nil && e.op == "set" && at.Type() == fastjson.TypeObject {
		next = fastjson.MustParse("{}")
		at.Set(name, next)
	}
	if next != nil {
		e.apply(next, rest)
	}
}

func (e edit) finish(at *fastjson.Value, name string) {
	switch e.op {
	case "set":
		if at.Type() == fastjson.TypeObject || at.Exists(name) {
			at.Set(name, e.value)
		}
	case "remove":
		at.Del(name)
	case "rename":
		if value := at.Get(name); value != nil && at.Type() == fastjson.TypeObject {
			at.Del(name)
			at.Set(e.to, value)
		}
	}
}
