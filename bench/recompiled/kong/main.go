package main

import (
	"github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/server"
)

type config struct{}

func (*config) Access(kong *pdk.PDK) {
	_ = kong.Response.SetHeader("X-Go-Wasm", "APISIX")
}

func main() {
	_ = server.StartServer(func() interface{} { return &config{} }, "1", 1)
}
