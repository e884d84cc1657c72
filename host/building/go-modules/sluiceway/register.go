// Package sluiceway gives plugins that were written for other systems their life as Proxy-Wasm plugins.
//
// Those systems call a function of a plugin's once per phase, and let it ask for the body, or for an answer of another
// server, as if they were there. Proxy-Wasm calls back as things arrive. A phase runs here as a goroutine, which the
// callbacks let run (task.go): where it asks for what is not there yet, the exchange pauses.
//
// The packages that stand in for those systems' own (beside this one, by their import paths) are written on top of it;
// it knows none of them.
package sluiceway

import (
	_ "0sluiceway"
	"os"
	"sync"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

// Plugin is what is done with each exchange. A nil function: nothing in that phase.
type Plugin struct {
	Request  func(*Exchange)
	Response func(*Exchange)
	Log      func(*Exchange)
}

// Register has the plugin made anew for each configuration that the host has for it. To be called from an init
// function, as a reactor module has no main. An error from `make` refuses the configuration.
func Register(make func(configuration []byte) (*Plugin, error)) {
	proxywasm.SetVMContext(&vmContext{make: make})
}

var (
	serving   = make(chan struct{})
	serveOnce sync.Once
)

// Main runs a plugin's main function, which nobody else does in a reactor module, until it returns or serves.
func Main(main func(), arguments ...string) {
	os.Args = append(os.Args[:1:1], arguments...)
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		main()
	}()
	select {
	case <-returned:
	case <-serving:
	}
}

// Serve stands in for what blocks in main until the server ends: it never returns, so that what follows it in main,
// deferred functions too, is left for an end that does not come.
func Serve() {
	serveOnce.Do(func() { close(serving) })
	select {}
}

type vmContext struct {
	types.DefaultVMContext
	make func([]byte) (*Plugin, error)
}

func (c *vmContext) NewPluginContext(id uint32) types.PluginContext {
	return &pluginContext{id: id, make: c.make}
}

type pluginContext struct {
	types.DefaultPluginContext
	id     uint32
	make   func([]byte) (*Plugin, error)
	plugin *Plugin
	late   []*task
	jobs   []func()
	tick   uint32 // the period that the host has, in milliseconds
}

func (c *pluginContext) OnPluginStart(int) (status types.OnPluginStartStatus) {
	effective = c.id
	defer func() {
		if reason := recover(); reason != nil {
			logPanic("taking the configuration", reason)
			status = types.OnPluginStartStatusFailed
		}
	}()
	configuration, err := proxywasm.GetPluginConfiguration()
	if err != nil && err != types.ErrorStatusNotFound {
		proxywasm.LogCriticalf("the configuration cannot be read: %v", err)
		return types.OnPluginStartStatusFailed
	}
	if c.plugin, err = c.make(configuration); err != nil {
		proxywasm.LogCriticalf("configuration refused: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (c *pluginContext) NewHttpContext(id uint32) types.HttpContext {
	return newHttpContext(c, id)
}
