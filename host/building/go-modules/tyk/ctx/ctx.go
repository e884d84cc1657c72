// Package ctx holds what Tyk's handlers find out about a request: its session and the API that it belongs to.
package ctx

import (
	"context"
	"encoding/json"
	"net/http"
	"sluiceway"

	"github.com/TykTechnologies/tyk/apidef"
	"github.com/TykTechnologies/tyk/log"
	"github.com/TykTechnologies/tyk/user"
)

// APIDefinition is named here too, for the code that runs handlers.
type APIDefinition = apidef.APIDefinition

// Key is the type of the keys under which a request's context holds things.
type Key uint

// The keys that plugins use.
const (
	SessionData Key = iota
	UpdateSession
	AuthToken
	Definition
	exchange
)

// known is the context of a request with what is there from the start.
type known struct {
	context.Context
	exchange   *sluiceway.Exchange
	definition *apidef.APIDefinition
	session    *user.SessionState
}

func (k *known) Value(key any) any {
	switch {
	case key == exchange:
		return k.exchange
	case key == Definition:
		return k.definition
	case key == SessionData && k.session != nil:
		return k.session
	}
	return k.Context.Value(key)
}

// Begin returns a request that has what the functions of this package look for in it. For the code that runs handlers.
func Begin(r *http.Request, e *sluiceway.Exchange, definition *apidef.APIDefinition) *http.Request {
	made := &known{Context: e.Context(), exchange: e, definition: definition}
	if text := e.Session(); text != nil {
		made.session = &user.SessionState{}
		if err := json.Unmarshal(text, made.session); err != nil {
			log.Get().Warnf("the session is not one of Tyk's: %v", err)
		}
	}
	return r.WithContext(made)
}

func set(r *http.Request, key Key, value any) {
	*r = *r.WithContext(context.WithValue(r.Context(), key, value))
}

// GetSession returns the session of the request; nil without one.
func GetSession(r *http.Request) *user.SessionState {
	session, _ := r.Context().Value(SessionData).(*user.SessionState)
	return session
}

// SetSession sets the session of the request, for the plugins that come after too, of whatever kind.
//
// Tyk has had several signatures: a text among the arguments is the key; booleans (whether to write the session to
// the store, whether to hash the key) say nothing here, where there is no store.
func SetSession(r *http.Request, session *user.SessionState, arguments ...any) {
	if session == nil {
		panic("setting a nil context SessionData")
	}
	for _, argument := range arguments {
		if key, ok := argument.(string); ok {
			session.KeyID = key
		}
	}
	set(r, SessionData, session)
	set(r, AuthToken, session.KeyID)
	if e, ok := r.Context().Value(exchange).(*sluiceway.Exchange); ok {
		if err := e.SetSession(session); err != nil {
			log.Get().Errorf("the session cannot be set: %v", err)
		}
	}
}

// GetAuthToken returns the key of the session; empty without one.
func GetAuthToken(r *http.Request) string {
	token, _ := r.Context().Value(AuthToken).(string)
	return token
}

// GetDefinition returns what the plugin's configuration says of the API.
func GetDefinition(r *http.Request) *apidef.APIDefinition {
	definition, _ := r.Context().Value(Definition).(*apidef.APIDefinition)
	return definition
}

// SetDefinition replaces what GetDefinition returns, for this request.
func SetDefinition(r *http.Request, definition *apidef.APIDefinition) {
	set(r, Definition, definition)
}
