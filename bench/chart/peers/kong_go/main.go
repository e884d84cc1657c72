// A plugin for Kong with go-pdk's server inside: it sets one response header by its configuration.
package main

import (
	"github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/server"
)

type Config struct{ Name, Value string }

func New() interface{} { return &Config{} }

func (c *Config) Access(kong *pdk.PDK) {
	if err := kong.Response.SetHeader(c.Name, c.Value); err != nil {
		kong.Log.Err(err.Error())
	}
}

func main() { server.StartServer(New, "0.1", 1) }
