package main

import (
	"encoding/json"
	"net/http"
	"time"
)

// SendCurrentTime answers requests that ask for the time.
func SendCurrentTime(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("get_time") != "1" {
		return
	}
	told, err := json.Marshal(map[string]time.Time{"current_time": time.Now()})
	if err != nil {
		rw.WriteHeader(http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(http.StatusOK)
	_, _ = rw.Write(told)
}

func main() {}
