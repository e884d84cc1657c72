package main

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/TykTechnologies/tyk/ctx"
	"github.com/TykTechnologies/tyk/log"
	"github.com/TykTechnologies/tyk/user"
)

var (
	logger = log.Get()
	mu     sync.Mutex
	hits   map[string]uint64
)

type reply struct {
	Session    *user.SessionState `json:"session"`
	Endpoint   string             `json:"endpoint"`
	HitCounter uint64             `json:"hit_counter"`
	API        string             `json:"api"`
}

func init() { hits = map[string]uint64{} }

// MyProcessRequest counts, and tells whose session it is.
func MyProcessRequest(rw http.ResponseWriter, r *http.Request) {
	endpoint := r.Method + " " + r.URL.Path
	mu.Lock()
	hits[endpoint]++
	count := hits[endpoint]
	mu.Unlock()
	logger.Info("hit ", endpoint)
	told, err := json.Marshal(reply{ctx.GetSession(r), endpoint, count, ctx.GetDefinition(r).APIID})
	if err != nil {
		logger.Error(err.Error())
		rw.WriteHeader(http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(http.StatusOK)
	_, _ = rw.Write(told)
}

func main() {}
