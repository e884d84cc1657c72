// A plugin of Kong as go-pluginserver took them: no main, no server, and tags that are none.
package main

import "github.com/Kong/go-pdk"

var Version = "0.1"

type MyConfig struct {
	Path   string `json:my_path`
	Reopen bool
}

func New() interface{} {
	return &MyConfig{}
}

func (conf *MyConfig) Preread(kong *pdk.PDK) {}

func (conf *MyConfig) Access(kong *pdk.PDK) {
	_ = kong.ServiceRequest.SetHeader("X-Path", conf.Path)
}
