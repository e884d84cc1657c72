package main

import (
	"net/http"

	"github.com/TykTechnologies/tyk/ctx"
	"github.com/TykTechnologies/tyk/headers"
	"github.com/TykTechnologies/tyk/user"
)

// MyPluginAuthCheck knows one key.
func MyPluginAuthCheck(rw http.ResponseWriter, r *http.Request) {
	key := r.Header.Get(headers.Authorization)
	if key != "abc" {
		rw.WriteHeader(http.StatusForbidden)
		return
	}
	ctx.SetSession(r, &user.SessionState{OrgID: "default", Alias: "abc-session"}, key, true)
}

func main() {}
