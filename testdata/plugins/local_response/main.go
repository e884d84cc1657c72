// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// local_response answers for the upstream from the phases that its configuration names:
//
//	{"responses": [{"phase": "request_headers", "code": 403, "body": "no\n", "headers": [["x-why", "policy"]],
//	                "grpc_status": 7, "action": "pause"}]}
//
// Several entries of one phase are sent one after the other. "grpc_status" is -1 (none) by default, "action" (continue
// or pause) is what the callback returns: pause by default. "body_size" makes a body of that many bytes. An entry of the
// tick phase answers each stream that an entry with "hold": true, for request_headers, has paused.
// Each result is logged ("PHASE: CODE: ok", or the error), and response_headers logs every :status it sees.
package main

import (
	"bytes"

	"phases"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	phases.Register(func() phases.Handler { return &localResponse{held: map[uint32]bool{}} })
}

type response struct {
	phase      string
	hold       bool
	code       uint32
	headers    [][2]string
	body       []byte
	grpcStatus int32
	action     types.Action
}

type localResponse struct {
	responses []response
	held      map[uint32]bool // streams that wait for a tick
}

func (l *localResponse) Configure(configuration *fastjson.Value) error {
	for _, item := range configuration.GetArray("responses") {
		l.responses = append(l.responses, parseResponse(item))
	}
	return nil
}

func parseResponse(item *fastjson.Value) response {
	r := response{
		phase:      string(item.GetStringBytes("phase")),
		hold:       item.GetBool("hold"),
		code:       uint32(item.GetUint("code")),
		body:       append([]byte(nil), item.GetStringBytes("body")...),
		grpcStatus: -1,
		action:     types.ActionPause,
	}
	if item.Exists("body_size") {
		r.body = bytes.Repeat([]byte("x"), item.GetInt("body_size"))
	}
	if item.Exists("grpc_status") {
		r.grpcStatus = int32(item.GetInt("grpc_status"))
	}
	if string(item.GetStringBytes("action")) == "continue" {
		r.action = types.ActionContinue
	}
	for _, pair := range item.GetArray("headers") {
		r.headers = append(r.headers, [2]string{string(pair.GetStringBytes("0")), string(pair.GetStringBytes("1"))})
	}
	return r
}

func (l *localResponse) Run(call phases.Call) types.Action {
	action := types.ActionContinue
	switch call.Phase {
	case phases.ResponseHeaders:
		status, err := proxywasm.GetHttpResponseHeader(":status")
		proxywasm.LogInfof("response_headers: :status %s %v", status, err)
	case phases.Log:
		delete(l.held, call.ContextID)
	}
	for _, r := range l.responses {
		switch {
		case r.phase != call.Phase:
		case r.hold:
			l.held[call.ContextID] = true
			action = types.ActionPause
		case call.Phase == phases.Tick:
			l.answerHeld(r)
		default:
			r.send()
			action = r.action
		}
	}
	return action
}

func (l *localResponse) answerHeld(r response) {
	for contextID := range l.held {
		delete(l.held, contextID)
		if err := proxywasm.SetEffectiveContext(contextID); err != nil {
			proxywasm.LogErrorf("tick: context %d: %v", contextID, err)
			continue
		}
		r.send()
	}
}

func (r response) send() {
	if err := proxywasm.SendHttpResponse(r.code, r.headers, r.body, r.grpcStatus); err != nil {
		proxywasm.LogErrorf("%s: %d: %v", r.phase, r.code, err)
		return
	}
	proxywasm.LogInfof("%s: %d: ok", r.phase, r.code)
}
