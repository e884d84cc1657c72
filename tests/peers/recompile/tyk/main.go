package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"

	"github.com/TykTechnologies/tyk/ctx"
	"github.com/TykTechnologies/tyk/headers"
	"github.com/TykTechnologies/tyk/log"
	"github.com/TykTechnologies/tyk/user"
	"github.com/sirupsen/logrus"
)

var logger = log.Get()

// AddField changes the request and lets it pass.
func AddField(rw http.ResponseWriter, r *http.Request) {
	logger.WithFields(logrus.Fields{"path": r.URL.Path}).Info("adding a field")
	r.Header.Add("Foo", "Bar")
	r.Header.Del("X-Secret")
	r.URL.Path = "/inner"
	r.Host = "inner.example"
}

// CheckKey lets one key in. It takes the signature of SetSession that has the key.
func CheckKey(rw http.ResponseWriter, r *http.Request) {
	switch key := r.Header.Get(headers.Authorization); key {
	case "right":
		ctx.SetSession(r, &user.SessionState{OrgID: "default", Alias: "right-session"}, key, true)
	case "silent":
	default:
		rw.WriteHeader(http.StatusForbidden)
	}
}

// Tell answers with what it finds out, and counts.
func Tell(rw http.ResponseWriter, r *http.Request) {
	reply, err := json.Marshal(map[string]interface{}{
		"session": ctx.GetSession(r), "count": count(), "api": ctx.GetDefinition(r).ConfigData["api"], "path": r.URL.Path,
	})
	if err != nil {
		rw.WriteHeader(http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("X-From", r.RemoteAddr)
	rw.WriteHeader(http.StatusOK)
	rw.Header().Set("X-Late", "1")
	_, _ = rw.Write(reply)
}

// Upper replaces the body.
func Upper(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		logger.Error(err.Error())
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(bytes.ToUpper(body)))
}

// Length reads the body, and leaves it.
func Length(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	logger.Info(len(body), " bytes")
}

// Broken panics.
func Broken(rw http.ResponseWriter, r *http.Request) {
	var session *user.SessionState
	r.Header.Set("X-Alias", session.Alias)
}

// Mark is a response plugin.
func Mark(rw http.ResponseWriter, res *http.Response, req *http.Request) {
	body, _ := io.ReadAll(res.Body)
	res.Header.Set("X-Mark", req.Method+" "+string(body))
	res.StatusCode = http.StatusAccepted
	res.Body = io.NopCloser(bytes.NewReader(append(body, '?')))
}

// NotOne is exported and no handler.
func NotOne(name string) string { return name }

var (
	counter   int
	counterMu sync.Mutex
)

func init() { counter = 40 }

func count() int {
	counterMu.Lock()
	defer counterMu.Unlock()
	counter++
	return counter
}

func main() {}
