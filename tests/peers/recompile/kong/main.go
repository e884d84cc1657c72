// A plugin of Kong with an embedded server, in every phase.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/client"
	"github.com/Kong/go-pdk/entities"
	"github.com/Kong/go-pdk/server"
)

var (
	Version  = "0.1"
	Priority = 10
)

func main() {
	if err := server.StartServer(New, Version, Priority); err != nil {
		panic(err)
	}
	panic("StartServer returns when the server ends")
}

type Config struct {
	Message string `json:"message"`
	Exit    int
	Body    bool
	Panic   bool
	Ship    string

	requests int
}

func New() interface{} { return &Config{Message: "hello"} }

func (conf *Config) Rewrite(kong *pdk.PDK) {
	conf.requests++
	_ = kong.ServiceRequest.SetHeader("X-Requests", fmt.Sprint(conf.requests))
	_ = kong.Ctx.SetShared("by", "rewrite")
}

func (conf *Config) Access(kong *pdk.PDK) {
	if conf.Panic {
		panic("as configured")
	}
	if conf.Exit != 0 {
		kong.Response.Exit(conf.Exit, []byte("tea"), map[string][]string{"X-Pot": {"1", "2"}})
		return
	}
	host, _ := kong.Request.GetHeader("host")
	agent, _ := kong.Request.GetHeader("user_agent")
	by, err := kong.Ctx.GetSharedString("by")
	_ = kong.Response.SetHeader("X-Hello", fmt.Sprintf("%s %s by %s to %s%s", conf.Message, agent, by, host, errorText(err)))
	_ = kong.Client.Authenticate(&entities.Consumer{Username: "ann"}, &client.AuthenticatedCredential{Id: "key"})
	_ = kong.ServiceRequest.SetPath("/inner")
	_ = kong.ServiceRequest.SetHeader("Host", "inner.example")
	_ = kong.ServiceRequest.AddHeader("X-Many", "1")
	_ = kong.ServiceRequest.AddHeader("X-Many", "2")
	_ = kong.ServiceRequest.ClearHeader("X-Secret")
	if conf.Body {
		body, err := kong.Request.GetRawBody()
		_ = kong.ServiceRequest.SetRawBody(fmt.Sprintf("%s%s, seen", body, errorText(err)))
	}
	_ = kong.Log.Warn("target: ", kong.Service.SetTarget("10.0.0.1", 80))
}

func (conf *Config) Response(kong *pdk.PDK) {
	status, _ := kong.ServiceResponse.GetStatus()
	body, _ := kong.ServiceResponse.GetRawBody()
	consumer, _ := kong.Client.GetConsumer()
	_ = kong.Response.SetHeader("X-Seen", fmt.Sprintf("%d %s for %s", status, body, consumer.Username))
	_ = kong.Response.SetStatus(202)
}

func (conf *Config) Log(kong *pdk.PDK) {
	text, err := kong.Log.Serialize()
	if err != nil || !json.Valid([]byte(text)) {
		_ = kong.Log.Err("no JSON: ", text, err)
		return
	}
	if conf.Ship != "" {
		answer, err := http.Post(conf.Ship, "application/json", strings.NewReader(text))
		if err != nil {
			_ = kong.Log.Err(err)
			return
		}
		_ = kong.Log.Notice("shipped: ", answer.Status)
		time.Sleep(5 * time.Millisecond)
		_ = kong.Log.Notice("slept")
		return
	}
	source, _ := kong.Response.GetSource()
	_ = kong.Log.Notice(source, " ", text)
}

func errorText(err error) string {
	if err != nil {
		return " error: " + err.Error()
	}
	return ""
}
