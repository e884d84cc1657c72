package main

import (
	"os"

	"github.com/Kong/go-pdk"
)

// Response and Log are of the embedded server's build alone: the plugin of a .so file has its Access.
func (c *Config) Response(kong *pdk.PDK) {
	server, err := kong.Response.GetHeader("Server")
	if err != nil {
		kong.Log.Err(err.Error())
	}
	body, err := kong.ServiceResponse.GetRawBody()
	if err != nil {
		kong.Log.Err(err.Error())
	}
	kong.Response.SetHeader("x-hello-from-go-at-response", "got from server '"+server+"'")
	kong.Response.SetHeader("x-length", string(rune('0'+len(body)%10)))
	if message, err := kong.Ctx.GetSharedString("hello"); err == nil {
		kong.Response.SetHeader("x-shared", message)
	}
}

func (c *Config) Log(kong *pdk.PDK) {
	line, err := kong.Log.Serialize()
	if err != nil {
		line = err.Error()
	}
	path := os.Getenv("LINES")
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		kong.Log.Err(err.Error())
		return
	}
	defer file.Close()
	file.WriteString(line + "\n")
}
