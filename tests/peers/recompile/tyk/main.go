package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

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

// Delay sleeps with a lock held.
func Delay(rw http.ResponseWriter, r *http.Request) {
	counterMu.Lock()
	defer counterMu.Unlock()
	time.Sleep(20 * time.Millisecond)
	r.Header.Set("X-Delayed", r.URL.Path)
}

// Ask lets another server decide, in a goroutine of its own.
func Ask(rw http.ResponseWriter, r *http.Request) {
	type outcome struct {
		answer *http.Response
		err    error
	}
	outcomes := make(chan outcome)
	go func() {
		request, _ := http.NewRequestWithContext(r.Context(), "POST", "http://auth/check?a=1", strings.NewReader("key"))
		request.Header.Set("X-Path", r.URL.Path)
		answer, err := http.DefaultClient.Do(request)
		outcomes <- outcome{answer, err}
	}()
	o := <-outcomes
	if o.err != nil {
		http.Error(rw, o.err.Error(), http.StatusBadGateway)
		return
	}
	defer o.answer.Body.Close()
	body, _ := io.ReadAll(o.answer.Body)
	if o.answer.StatusCode != http.StatusOK {
		rw.WriteHeader(o.answer.StatusCode)
		return
	}
	r.Header.Set("X-User", o.answer.Header.Get("X-Name")+string(body))
}

// Leave goes on when the request does not need it any more.
func Leave(rw http.ResponseWriter, r *http.Request) {
	go func() {
		<-r.Context().Done()
		_, err := io.ReadAll(r.Body)
		logger.Info("left: ", err)
	}()
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
