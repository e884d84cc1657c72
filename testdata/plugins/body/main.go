// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// body reads and edits the bodies of both directions by its configuration:
//
//	{"request":  {"mode": "buffered", "edits": [{"op": "replace", "data": "new"}]},
//	 "response": {"mode": "chunks", "edits": [{"op": "append", "data": ".", "at": "end"}], "remove_content_length": true}}
//
// Modes: chunks (the default) looks at each piece and lets it go on; buffered pauses until the stream ends, so that the
// last call sees the whole body. That call is the one of the trailers where there are any: no body call ends the stream
// then, in either mode.
//
// Edits: replace, append and prepend with "data"; splice with "start", "length" and "data", which hands the three to
// proxy_set_buffer_bytes as they are; read with "start" and "length". An edit runs in every call that does not pause, or
// as "at" says: first or end (the call that ends the stream) of them.
//
// "remove_content_length" removes that header in the headers phase, since the edits will make it wrong.
// Logged: "request_body: SIZE bytes, end BOOL: DATA" for every call, at most 64 bytes of the data; then each edit,
// "request_body: splice 0 1: ok", or the error in place of ok, or what read found.
package main

import (
	"fmt"

	"phases"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	phases.Register(func() phases.Handler {
		return &body{seen: map[uint32]bool{}}
	})
}

type edit struct {
	op, at        string
	start, length int
	data          []byte
}

type plan struct {
	buffered, removeContentLength bool
	edits                         []edit
}

type body struct {
	request, response plan
	seen              map[uint32]bool // streams whose body in the direction at hand has had its first edit
}

func (b *body) Configure(configuration *fastjson.Value) error {
	var err error
	if b.request, err = parsePlan(configuration.Get("request")); err != nil {
		return err
	}
	b.response, err = parsePlan(configuration.Get("response"))
	return err
}

func parsePlan(item *fastjson.Value) (plan, error) {
	var p plan
	if item == nil {
		return p, nil
	}
	switch mode := string(item.GetStringBytes("mode")); mode {
	case "", "chunks":
	case "buffered":
		p.buffered = true
	default:
		return p, fmt.Errorf("unknown mode %s", mode)
	}
	p.removeContentLength = item.GetBool("remove_content_length")
	for _, entry := range item.GetArray("edits") {
		p.edits = append(p.edits, edit{
			op:     string(entry.GetStringBytes("op")),
			at:     string(entry.GetStringBytes("at")),
			start:  entry.GetInt("start"),
			length: entry.GetInt("length"),
			data:   append([]byte(nil), entry.GetStringBytes("data")...),
		})
	}
	return p, nil
}

func (b *body) Run(call phases.Call) types.Action {
	switch call.Phase {
	case phases.RequestHeaders:
		if b.request.removeContentLength {
			logResult("request_headers: remove content-length", proxywasm.RemoveHttpRequestHeader("content-length"))
		}
	case phases.ResponseHeaders:
		delete(b.seen, call.ContextID)
		if b.response.removeContentLength {
			logResult("response_headers: remove content-length", proxywasm.RemoveHttpResponseHeader("content-length"))
		}
	case phases.RequestBody:
		return b.onBody(call, b.request, requestBody)
	case phases.ResponseBody:
		return b.onBody(call, b.response, responseBody)
	case phases.RequestTrailers:
		if b.request.buffered {
			b.edit(call, b.request, requestBody)
		}
	case phases.ResponseTrailers:
		if b.response.buffered {
			b.edit(call, b.response, responseBody)
		}
	case phases.Log:
		delete(b.seen, call.ContextID)
	}
	return types.ActionContinue
}

func (b *body) onBody(call phases.Call, p plan, buffer bufferOf) types.Action {
	data, err := buffer.get(0, min(call.Size, 64))
	if err != nil {
		proxywasm.LogInfof("%s: %d bytes, end %t: %v", call.Phase, call.Size, call.EndOfStream, err)
	} else {
		proxywasm.LogInfof("%s: %d bytes, end %t: %s", call.Phase, call.Size, call.EndOfStream, data)
	}
	if p.buffered && !call.EndOfStream {
		return types.ActionPause
	}
	b.edit(call, p, buffer)
	return types.ActionContinue
}

func (b *body) edit(call phases.Call, p plan, buffer bufferOf) {
	first := !b.seen[call.ContextID]
	b.seen[call.ContextID] = true
	for _, e := range p.edits {
		if e.at == "" || e.at == "first" && first || e.at == "end" && call.EndOfStream {
			e.apply(call.Phase, buffer)
		}
	}
}

// bufferOf is the body of one direction.
type bufferOf struct {
	number                   uint32 // of the buffer in the ABI
	get                      func(start, length int) ([]byte, error)
	replace, append, prepend func(data []byte) error
}

var (
	requestBody = bufferOf{
		0, proxywasm.GetHttpRequestBody,
		proxywasm.ReplaceHttpRequestBody, proxywasm.AppendHttpRequestBody, proxywasm.PrependHttpRequestBody,
	}
	responseBody = bufferOf{
		1, proxywasm.GetHttpResponseBody,
		proxywasm.ReplaceHttpResponseBody, proxywasm.AppendHttpResponseBody, proxywasm.PrependHttpResponseBody,
	}
)

func (e edit) apply(phase string, buffer bufferOf) {
	switch e.op {
	case "replace":
		logResult(phase+": replace", buffer.replace(e.data))
	case "append":
		logResult(phase+": append", buffer.append(e.data))
	case "prepend":
		logResult(phase+": prepend", buffer.prepend(e.data))
	case "splice":
		logResult(fmt.Sprintf("%s: splice %d %d", phase, e.start, e.length), e.splice(buffer.number))
	case "read":
		data, err := buffer.get(e.start, e.length)
		if err != nil {
			logResult(fmt.Sprintf("%s: read %d %d", phase, e.start, e.length), err)
			return
		}
		proxywasm.LogInfof("%s: read %d %d: %s", phase, e.start, e.length, data)
	default:
		proxywasm.LogErrorf("%s: unknown edit %s", phase, e.op)
	}
}

func logResult(what string, err error) {
	if err != nil {
		proxywasm.LogInfof("%s: %v", what, err)
		return
	}
	proxywasm.LogInfof("%s: ok", what)
}

// The SDK has no call that replaces a part of a body.
//
//go:wasmimport env proxy_set_buffer_bytes
func setBufferBytes(buffer, start, length uint32, data *byte, size uint32) uint32

func (e edit) splice(buffer uint32) error {
	var data *byte
	if len(e.data) > 0 {
		data = &e.data[0]
	}
	status := setBufferBytes(buffer, uint32(e.start), uint32(e.length), data, uint32(len(e.data)))
	if status != 0 {
		return fmt.Errorf("status %d", status)
	}
	return nil
}
