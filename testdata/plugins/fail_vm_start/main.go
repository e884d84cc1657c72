// Build: tinygo build -o plugin.wasm -scheduler=none -target=wasi -no-debug .
//
// fail_vm_start answers false to proxy_on_vm_start, unless the VM configuration is "start".
package main

import (
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {
	proxywasm.SetVMContext(&vmContext{})
}

type vmContext struct {
	types.DefaultVMContext
}

func (*vmContext) OnVMStart(size int) types.OnVMStartStatus {
	if size > 0 {
		if configuration, err := proxywasm.GetVMConfiguration(); err == nil && string(configuration) == "start" {
			return types.OnVMStartStatusOK
		}
	}
	proxywasm.LogError("this VM does not want to start")
	return types.OnVMStartStatusFailed
}

func (*vmContext) NewPluginContext(uint32) types.PluginContext {
	return &pluginContext{}
}

type pluginContext struct {
	types.DefaultPluginContext
}

func (*pluginContext) NewHttpContext(uint32) types.HttpContext {
	return &types.DefaultHttpContext{}
}
