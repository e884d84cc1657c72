// Build: GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags=-s -o plugin.wasm .
//
// jwt_auth lets requests pass that carry a valid JSON Web Token (RFC 7519) in `Authorization: Bearer …`:
//
//	{"keys": [{"kid": "main", "algorithm": "RS256", "public_key": "-----BEGIN PUBLIC KEY-----…"},
//	          {"algorithm": "HS256", "secret": "…"}],
//	 "issuer": "https://issuer.example", "audience": "orders", "leeway": 30,
//	 "claims_to_headers": {"sub": "x-user"}, "hide_credentials": true}
//
// Algorithms: HS256, HS384, HS512, RS256, RS384, RS512, PS256, ES256, ES384, EdDSA. A token must be signed by the
// algorithm of a key (that with its `kid`, if it has one), must not have expired, and must be of the issuer and for the
// audience where these are given. Others get 401 with WWW-Authenticate (RFC 6750, section 3). A header that a claim is
// copied to is taken from the request first: no client can pretend.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {}

func init() {
	proxywasm.SetVMContext(&vmContext{})
}

type vmContext struct {
	types.DefaultVMContext
}

func (*vmContext) NewPluginContext(uint32) types.PluginContext {
	return &pluginContext{}
}

type configuration struct {
	Keys []struct {
		ID        string `json:"kid"`
		Algorithm string `json:"algorithm"`
		PublicKey string `json:"public_key"`
		Secret    string `json:"secret"`
	} `json:"keys"`
	Issuer          string            `json:"issuer"`
	Audience        string            `json:"audience"`
	Leeway          float64           `json:"leeway"`
	ClaimsToHeaders map[string]string `json:"claims_to_headers"`
	HideCredentials bool              `json:"hide_credentials"`
}

type key struct {
	id, algorithm string
	value         any
}

type pluginContext struct {
	types.DefaultPluginContext
	keys            []key
	parser          *jwt.Parser
	claimsToHeaders map[string]string
	hideCredentials bool
}

func (p *pluginContext) OnPluginStart(int) types.OnPluginStartStatus {
	text, err := proxywasm.GetPluginConfiguration()
	if err == nil {
		err = p.configure(text)
	}
	if err != nil {
		proxywasm.LogErrorf("the configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) configure(text []byte) error {
	var given configuration
	if err := json.Unmarshal(text, &given); err != nil {
		return err
	}
	var algorithms []string
	for index, each := range given.Keys {
		value, err := readKey(each.Algorithm, []byte(each.PublicKey), []byte(each.Secret))
		if err != nil {
			return fmt.Errorf("keys[%d]: %w", index, err)
		}
		p.keys = append(p.keys, key{each.ID, each.Algorithm, value})
		algorithms = append(algorithms, each.Algorithm)
	}
	if len(p.keys) == 0 {
		return errors.New("keys: at least one is needed")
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(algorithms),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(time.Duration(given.Leeway * float64(time.Second))),
	}
	if given.Issuer != "" {
		options = append(options, jwt.WithIssuer(given.Issuer))
	}
	if given.Audience != "" {
		options = append(options, jwt.WithAudience(given.Audience))
	}
	p.parser = jwt.NewParser(options...)
	p.claimsToHeaders, p.hideCredentials = given.ClaimsToHeaders, given.HideCredentials
	return nil
}

func readKey(algorithm string, public, secret []byte) (any, error) {
	switch {
	case strings.HasPrefix(algorithm, "HS"):
		if len(secret) < 32 {
			return nil, errors.New("secret: at least 32 bytes are needed (RFC 7518, section 3.2)")
		}
		return secret, nil
	case strings.HasPrefix(algorithm, "RS"), strings.HasPrefix(algorithm, "PS"):
		return jwt.ParseRSAPublicKeyFromPEM(public)
	case strings.HasPrefix(algorithm, "ES"):
		return jwt.ParseECPublicKeyFromPEM(public)
	case algorithm == "EdDSA":
		return jwt.ParseEdPublicKeyFromPEM(public)
	}
	return nil, fmt.Errorf("algorithm %q is not known", algorithm)
}

// find returns the keys that may have signed a token. The algorithm is the key's: one that a token names for another
// kind of key (an RSA public key taken for an HMAC secret) is never used.
func (p *pluginContext) find(token *jwt.Token) (any, error) {
	id, _ := token.Header["kid"].(string)
	var found jwt.VerificationKeySet
	for _, each := range p.keys {
		if each.algorithm == token.Method.Alg() && (id == "" || each.id == "" || each.id == id) {
			found.Keys = append(found.Keys, each.value)
		}
	}
	if len(found.Keys) == 0 {
		return nil, errors.New("no key of that kid and algorithm")
	}
	return found, nil
}

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext {
	return &httpContext{plugin: p}
}

type httpContext struct {
	types.DefaultHttpContext
	plugin *pluginContext
}

func (h *httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	for _, header := range h.plugin.claimsToHeaders {
		if err := proxywasm.RemoveHttpRequestHeader(header); err != nil {
			proxywasm.LogErrorf("removing %s: %v", header, err)
		}
	}
	authorization, err := proxywasm.GetHttpRequestHeader("authorization")
	scheme, text, _ := strings.Cut(authorization, " ")
	if err != nil || !strings.EqualFold(scheme, "bearer") {
		return refuse(`Bearer`, "a bearer token is needed")
	}
	claims := jwt.MapClaims{}
	if _, err := h.plugin.parser.ParseWithClaims(strings.TrimSpace(text), claims, h.plugin.find); err != nil {
		proxywasm.LogInfof("a token was refused: %v", err)
		return refuse(`Bearer error="invalid_token"`, "the token is not valid")
	}
	h.pass(claims)
	return types.ActionContinue
}

func (h *httpContext) pass(claims jwt.MapClaims) {
	if h.plugin.hideCredentials {
		if err := proxywasm.RemoveHttpRequestHeader("authorization"); err != nil {
			proxywasm.LogErrorf("removing authorization: %v", err)
		}
	}
	for claim, header := range h.plugin.claimsToHeaders {
		value, ok := claims[claim]
		if !ok {
			continue
		}
		text, isText := value.(string)
		if !isText {
			encoded, _ := json.Marshal(value)
			text = string(encoded)
		}
		if err := proxywasm.ReplaceHttpRequestHeader(header, text); err != nil {
			proxywasm.LogErrorf("setting %s: %v", header, err)
		}
	}
}

func refuse(challenge, message string) types.Action {
	headers := [][2]string{{"www-authenticate", challenge}, {"content-type", "application/json"}}
	body := []byte(fmt.Sprintf("{\"message\":%q}\n", message))
	if err := proxywasm.SendHttpResponse(401, headers, body, -1); err != nil {
		proxywasm.LogErrorf("answering: %v", err)
	}
	return types.ActionPause
}
