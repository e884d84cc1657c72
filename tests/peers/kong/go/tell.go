package main

import (
	"encoding/json"

	"github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/client"
	"github.com/Kong/go-pdk/entities"
)

// tell answers with what the PDK says, so that a test can hold go-pdk's reading of it against what was sent.
func tell(kong *pdk.PDK) {
	told := map[string]interface{}{}
	note := func(name string, value interface{}, err error) {
		if err != nil {
			told[name] = "error: " + err.Error()
		} else {
			told[name] = value
		}
	}
	scheme, err := kong.Request.GetScheme()
	note("scheme", scheme, err)
	host, err := kong.Request.GetHost()
	note("host", host, err)
	port, err := kong.Request.GetPort()
	note("port", port, err)
	version, err := kong.Request.GetHttpVersion()
	note("version", version, err)
	method, err := kong.Request.GetMethod()
	note("method", method, err)
	path, err := kong.Request.GetPathWithQuery()
	note("path", path, err)
	argument, err := kong.Request.GetQueryArg("a")
	note("argument", argument, err)
	query, err := kong.Request.GetQuery(-1)
	note("query", query, err)
	headers, err := kong.Request.GetHeaders(-1)
	note("headers", headers, err)
	body, err := kong.Request.GetRawBody()
	note("body", string(body), err)
	unnamed, named, err := kong.Request.GetUriCaptures()
	note("captures", len(unnamed)+len(named), err)
	ip, err := kong.Client.GetIp()
	note("ip", ip, err)
	protocol, err := kong.Client.GetProtocol(true)
	note("protocol", protocol, err)
	found, err := kong.Client.LoadConsumer("ann", true)
	note("found", found, err)
	err = kong.Client.Authenticate(&entities.Consumer{Id: "c", Username: "bob"}, &client.AuthenticatedCredential{Id: "k", ConsumerId: "c"})
	note("authenticate", true, err)
	consumer, err := kong.Client.GetConsumer()
	note("consumer", consumer, err)
	credential, err := kong.Client.GetCredential()
	note("credential", credential, err)
	trusted, err := kong.IP.IsTrusted("127.0.0.1")
	note("trusted", trusted, err)
	variable, err := kong.Nginx.GetVar("route_id")
	note("variable", variable, err)
	subsystem, err := kong.Nginx.GetSubsystem()
	note("subsystem", subsystem, err)
	began, err := kong.Nginx.ReqStartTime()
	note("began", began > 1.7e9, err)
	err = kong.Nginx.SetCtx("n", 5)
	note("set_ctx", true, err)
	number, err := kong.Nginx.GetCtxFloat("n")
	note("ctx", number, err)
	err = kong.Ctx.SetShared("s", map[string]interface{}{"deep": []interface{}{1.5, true, nil, "x"}})
	note("set_shared", true, err)
	shared, err := kong.Ctx.GetSharedAny("s")
	note("shared", shared, err)
	memory, err := kong.Node.GetMemoryStats()
	note("memory", len(memory.WorkersLuaVms) == 1 && memory.WorkersLuaVms[0].HttpAllocatedGc > 1000000, err)
	id, err := kong.Node.GetId()
	note("node", len(id), err)
	route, err := kong.Router.GetRoute()
	note("route", route, err)
	service, err := kong.Router.GetService()
	note("service", service, err)
	note("log", true, kong.Log.Info("text", 5, 1.5, true))
	note("set_headers", true, kong.ServiceRequest.SetHeaders(map[string][]string{"x-many": {"1", "2"}}))
	note("set_query", true, kong.ServiceRequest.SetQuery(map[string][]string{"q": {"1", "2"}}))
	raw, err := kong.Request.GetRawQuery()
	note("raw_query", raw, err)
	after, err := kong.Request.GetHeaders(1000)
	note("many", after["x-many"], err)
	text, _ := json.Marshal(told)
	kong.Response.Exit(200, text, map[string][]string{"Content-Type": {"application/json"}})
}
