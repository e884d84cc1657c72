package sluiceway

import (
	"net/http"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

// holdsHeads tells Sluiceway to let the callbacks of a body run while its head is held. Elsewhere the operator has to say
// so: Envoy's key is allow_on_headers_stop_iteration.
//
//go:wasmexport sluiceway_holds_heads
func holdsHeads() {}

type httpContext struct {
	types.DefaultHttpContext
	parent   *pluginContext
	plugin   *Plugin
	exchange *Exchange
	request  *task
	response *task
	logging  *task

	// What there is one of in each exchange, so that all of it is one allocation.
	own      Exchange
	answer   Answer
	messages [2]Message
	tasks    [3]task
}

func newHttpContext(parent *pluginContext, id uint32) types.HttpContext {
	c := &httpContext{parent: parent, plugin: parent.plugin}
	c.exchange = &c.own
	c.messages = [2]Message{{exchange: &c.own, calls: &requestCalls}, {exchange: &c.own, calls: &responseCalls}}
	c.own = Exchange{id: id, context: c, Answer: &c.answer, Request: &c.messages[0], Response: &c.messages[1]}
	return c
}

func (c *httpContext) OnHttpRequestHeaders(_ int, endOfStream bool) types.Action {
	effective = c.exchange.id
	c.exchange.Request.complete = endOfStream
	if c.plugin.Request == nil {
		return types.ActionContinue
	}
	c.request = c.start(&c.tasks[0], "the request phase", c.plugin.Request)
	return c.leave(c.request)
}

func (c *httpContext) OnHttpRequestBody(_ int, endOfStream bool) types.Action {
	return c.more(c.request, c.exchange.Request, endOfStream)
}

func (c *httpContext) OnHttpRequestTrailers(int) types.Action {
	return c.more(c.request, c.exchange.Request, true)
}

func (c *httpContext) OnHttpResponseHeaders(_ int, endOfStream bool) types.Action {
	e := c.exchange
	effective = e.id
	e.Response.complete = endOfStream
	e.applyResponseHeader()
	// Where plugins come from, response phases see what an upstream has answered, and nothing else.
	if c.plugin.Response == nil || e.isAnswered || e.Text("response", "code_details") != "via_upstream" {
		return types.ActionContinue
	}
	c.response = c.start(&c.tasks[1], "the response phase", c.plugin.Response)
	return c.leave(c.response)
}

func (c *httpContext) OnHttpResponseBody(_ int, endOfStream bool) types.Action {
	return c.more(c.response, c.exchange.Response, endOfStream)
}

func (c *httpContext) OnHttpResponseTrailers(int) types.Action {
	return c.more(c.response, c.exchange.Response, true)
}

func (c *httpContext) OnHttpStreamDone() {
	e := c.exchange
	effective = e.id
	e.end()
	for _, t := range []*task{c.request, c.response} {
		if t != nil && !t.finished {
			t.run()
		}
	}
	if c.plugin.Log != nil {
		c.logging = c.start(&c.tasks[2], "the log phase", c.plugin.Log)
	}
	e.isGone = true
}

// more takes what has come of a body: a task that waits for all of it goes on with the last of it.
func (c *httpContext) more(t *task, message *Message, endOfStream bool) types.Action {
	effective = c.exchange.id
	message.complete = message.complete || endOfStream
	if t == nil || c.exchange.isAnswered {
		return types.ActionContinue
	}
	if !t.isLeft {
		if !t.finished && endOfStream {
			c.exchange.wake()
			t.run()
		}
		if action := c.leave(t); action == types.ActionPause {
			return action
		}
	}
	if !message.replaced {
		return types.ActionContinue
	}
	if !endOfStream {
		return types.ActionPause // what is not to be seen must not leave
	}
	message.replaceBody()
	return types.ActionContinue
}

// leave takes over what a task has done, once it has finished.
func (c *httpContext) leave(t *task) types.Action {
	e := c.exchange
	if !t.finished {
		return types.ActionPause
	}
	t.isLeft = true
	if err := e.Turn(); err != nil {
		return types.ActionPause
	}
	if t.panicked {
		e.fail()
	}
	if e.Answer.Written() && !e.isAnswered {
		e.isAnswered = true
		if err := e.Answer.send(); err != nil {
			proxywasm.LogCriticalf("the plugin's answer cannot be sent: %v", err)
		}
		return types.ActionPause
	}
	c.side(t).apply()
	return types.ActionContinue
}

// settle is leave for a task that has finished outside of the callbacks of its side.
func (c *httpContext) settle(t *task) {
	if t.isLeft || c.exchange.isGone || c.leave(t) == types.ActionPause {
		return
	}
	if side := c.side(t); side.replaced && !side.complete {
		return // the last of the body lets it go
	}
	resume := proxywasm.ResumeHttpRequest
	if t == c.response {
		resume = proxywasm.ResumeHttpResponse
	}
	if err := resume(); err != nil {
		proxywasm.LogErrorf("the exchange cannot go on: %v", err)
	}
}

// GoOn takes something that has come for the plugin in a callback of the host's other than those of the exchange, whose
// context it has, and lets the plugin go on with it.
func (e *Exchange) GoOn(take func()) {
	effective = e.id
	if e.isGone {
		effective = e.context.parent.id
	}
	take()
	e.context.goOn()
}

// Dispatch makes a call of the host's: at once, or in the plugin's next tick where the exchange is over, since the SDK
// drops what comes back for a context that is gone.
func (e *Exchange) Dispatch(call func() error) error {
	if !e.isOver {
		if err := e.Turn(); err != nil {
			return err
		}
		return call()
	}
	isDone, err := false, error(nil)
	e.context.parent.inTick(func() {
		isDone, err = true, call()
		e.context.goOn()
	})
	for !isDone {
		e.Block()
	}
	return err
}

// IsOver tells whether nothing more comes of the exchange: in the log phase, and behind it.
func (e *Exchange) IsOver() bool { return e.isOver }

func (c *httpContext) goOn() {
	c.exchange.wake()
	for _, t := range []*task{c.request, c.response, c.logging} {
		if t == nil || t.isLeft {
			continue
		}
		if t.run(); t.finished {
			c.settle(t)
		}
	}
}

func (c *httpContext) side(t *task) *Message {
	if t == c.response {
		return c.exchange.Response
	}
	return c.exchange.Request
}

// fail answers for a plugin that has panicked, as those that it was written for do.
func (e *Exchange) fail() {
	e.Answer = &Answer{}
	e.Answer.Header().Set("Content-Type", "application/json")
	e.Answer.WriteHeader(http.StatusInternalServerError)
	_, _ = e.Answer.Write([]byte(`{"error": "Internal Server Error"}`))
}
