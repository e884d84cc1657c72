package main

import (
	"strings"
	"time"

	"github.com/Kong/go-pdk"
)

type Config struct {
	Message string
	Mode    string
}

func New() interface{} { return &Config{} }

func (c *Config) Access(kong *pdk.PDK) {
	switch c.Mode {
	case "panic":
		panic("as told")
	case "sleep":
		time.Sleep(time.Hour)
	case "exit":
		kong.Response.Exit(418, tea, map[string][]string{"X-E": {"1", "2"}})
		return
	case "tell":
		tell(kong)
		return
	case "body":
		body, err := kong.Request.GetRawBody()
		if err != nil {
			kong.Log.Err(err.Error())
		}
		kong.ServiceRequest.SetRawBody(strings.ToUpper(string(body)))
		return
	}
	host, err := kong.Request.GetHeader("host")
	if err != nil {
		kong.Log.Err(err.Error())
	}
	kong.Response.SetHeader("x-hello-from-go", "Go says "+c.Message+" to "+host)
	kong.ServiceRequest.AddHeader("x-order", "go")
	kong.Ctx.SetShared("hello", c.Message)
}
