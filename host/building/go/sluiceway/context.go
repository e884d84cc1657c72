package sluiceway

import (
	"net/http"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

type httpContext struct {
	types.DefaultHttpContext
	plugin   *Plugin
	exchange *Exchange
	request  *task
	response *task
}

func newHttpContext(plugin *Plugin) types.HttpContext {
	c := &httpContext{plugin: plugin, exchange: newExchange()}
	c.exchange.resume = c.resume
	return c
}

func (c *httpContext) OnHttpRequestHeaders(_ int, endOfStream bool) types.Action {
	c.exchange.Request.complete = endOfStream
	if c.plugin.Request == nil {
		return types.ActionContinue
	}
	c.request = start("the request phase", func() { c.plugin.Request(c.exchange) })
	return c.leave(c.request, c.exchange.Request)
}

func (c *httpContext) OnHttpRequestBody(_ int, endOfStream bool) types.Action {
	return c.more(c.request, c.exchange.Request, endOfStream)
}

func (c *httpContext) OnHttpRequestTrailers(int) types.Action {
	return c.more(c.request, c.exchange.Request, true)
}

func (c *httpContext) OnHttpResponseHeaders(_ int, endOfStream bool) types.Action {
	e := c.exchange
	e.Response.complete = endOfStream
	e.applyResponseHeader()
	// Where plugins come from, response phases see what an upstream has answered, and nothing else.
	if c.plugin.Response == nil || e.answered || e.Text("response", "code_details") != "via_upstream" {
		return types.ActionContinue
	}
	c.response = start("the response phase", func() { c.plugin.Response(e) })
	return c.leave(c.response, e.Response)
}

func (c *httpContext) OnHttpResponseBody(_ int, endOfStream bool) types.Action {
	return c.more(c.response, c.exchange.Response, endOfStream)
}

func (c *httpContext) OnHttpResponseTrailers(int) types.Action {
	return c.more(c.response, c.exchange.Response, true)
}

func (c *httpContext) OnHttpStreamDone() {
	c.exchange.end()
	for _, t := range []*task{c.request, c.response} {
		if t != nil && !t.finished {
			t.end()
		}
	}
	if c.plugin.Log != nil {
		start("the log phase", func() { c.plugin.Log(c.exchange) }).end()
	}
}

// more takes what has come of a body: a task that waits for all of it goes on with the last of it.
func (c *httpContext) more(t *task, message *Message, endOfStream bool) types.Action {
	if endOfStream {
		message.complete = true
	}
	if t == nil || c.exchange.answered {
		return types.ActionContinue
	}
	if !t.finished {
		if !endOfStream {
			return types.ActionPause
		}
		t.resume()
		return c.leave(t, message)
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

// leave is where a callback ends in which a task had its turn.
func (c *httpContext) leave(t *task, message *Message) types.Action {
	e := c.exchange
	if !t.finished {
		return types.ActionPause
	}
	if t.panicked {
		e.fail()
	}
	if e.Answer.Written() && !e.answered {
		e.answered = true
		if err := e.Answer.send(); err != nil {
			proxywasm.LogCriticalf("the plugin's answer cannot be sent: %v", err)
		}
		return types.ActionPause
	}
	message.apply()
	return types.ActionContinue
}

// resume goes on with a task for which something other than the exchange's own body has come.
func (c *httpContext) resume(t *task) {
	t.resume()
	if !t.finished {
		return
	}
	side, resume := c.exchange.Request, proxywasm.ResumeHttpRequest
	if t == c.response {
		side, resume = c.exchange.Response, proxywasm.ResumeHttpResponse
	}
	if c.leave(t, side) == types.ActionPause {
		return
	}
	if err := resume(); err != nil {
		proxywasm.LogErrorf("the exchange cannot be resumed: %v", err)
	}
}

// fail answers for a plugin that has panicked, as those that it was written for do.
func (e *Exchange) fail() {
	e.Answer = &Answer{}
	e.Answer.Header().Set("Content-Type", "application/json")
	e.Answer.WriteHeader(http.StatusInternalServerError)
	_, _ = e.Answer.Write([]byte(`{"error": "Internal Server Error"}`))
}
