// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// connection is a plugin of TCP connections, in the style of the SDK's network example. It logs what it hears, and:
//
//	{"upstream_prefix": "* ", "quit": "bye", "hold": true, "tick_period_milliseconds": 20}
//
// puts "upstream_prefix" before each piece of the upstream's data; closes the connection behind the client's data that
// contain "quit"; with "hold" it pauses the client's data, and each tick lets all of them go.
package main

import (
	"bytes"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/valyala/fastjson"
)

func main() {
	proxywasm.SetVMContext(&vm{})
}

type vm struct {
	types.DefaultVMContext
}

func (*vm) NewPluginContext(uint32) types.PluginContext {
	return &plugin{held: map[uint32]bool{}}
}

type plugin struct {
	types.DefaultPluginContext
	prefix, quit []byte
	hold         bool
	held         map[uint32]bool
}

func (p *plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	text, err := proxywasm.GetPluginConfiguration()
	if err != nil && err != types.ErrorStatusNotFound {
		proxywasm.LogCriticalf("configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	if len(text) == 0 {
		return types.OnPluginStartStatusOK
	}
	configuration, err := fastjson.ParseBytes(text)
	if err != nil {
		proxywasm.LogCriticalf("configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.prefix = configuration.GetStringBytes("upstream_prefix")
	p.quit = configuration.GetStringBytes("quit")
	p.hold = configuration.GetBool("hold")
	if period := configuration.GetUint("tick_period_milliseconds"); period > 0 {
		if err := proxywasm.SetTickPeriodMilliSeconds(uint32(period)); err != nil {
			proxywasm.LogErrorf("period: %v", err)
		}
	}
	return types.OnPluginStartStatusOK
}

func (p *plugin) OnTick() {
	for id := range p.held {
		delete(p.held, id)
		if err := proxywasm.SetEffectiveContext(id); err != nil {
			continue // it has ended
		}
		if err := proxywasm.ContinueTcpStream(); err != nil {
			proxywasm.LogErrorf("continue: %v", err)
		}
	}
}

func (p *plugin) NewTcpContext(id uint32) types.TcpContext {
	return &connection{plugin: p, id: id}
}

type connection struct {
	types.DefaultTcpContext
	plugin *plugin
	id     uint32
}

func (c *connection) OnNewConnection() types.Action {
	proxywasm.LogInfo("new connection")
	return types.ActionContinue
}

func (c *connection) OnDownstreamData(size int, endOfStream bool) types.Action {
	proxywasm.LogInfof("downstream: %d bytes, end of stream: %v", size, endOfStream)
	if size > 0 && len(c.plugin.quit) > 0 {
		data, err := proxywasm.GetDownstreamData(0, size)
		if err != nil {
			proxywasm.LogErrorf("downstream data: %v", err)
		} else if bytes.Contains(data, c.plugin.quit) {
			if err := proxywasm.CloseDownstream(); err != nil {
				proxywasm.LogErrorf("close: %v", err)
			}
		}
	}
	if c.plugin.hold {
		c.plugin.held[c.id] = true
		return types.ActionPause
	}
	return types.ActionContinue
}

func (c *connection) OnUpstreamData(size int, endOfStream bool) types.Action {
	proxywasm.LogInfof("upstream: %d bytes, end of stream: %v", size, endOfStream)
	if size > 0 && len(c.plugin.prefix) > 0 {
		if err := proxywasm.PrependUpstreamData(c.plugin.prefix); err != nil {
			proxywasm.LogErrorf("upstream data: %v", err)
		}
	}
	return types.ActionContinue
}

func (c *connection) OnDownstreamClose(peer types.PeerType) {
	proxywasm.LogInfof("downstream closed by %d", peer)
}

func (c *connection) OnUpstreamClose(peer types.PeerType) {
	proxywasm.LogInfof("upstream closed by %d", peer)
}

func (c *connection) OnStreamDone() {
	proxywasm.LogInfo("done")
}
