package sluiceway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sluiceway"

	"github.com/TykTechnologies/tyk/ctx"
)

// hooks say which symbols run in which stage, as Tyk's `custom_middleware` does.
type hooks struct {
	Symbol        symbols `json:"symbol"`
	Pre           symbols `json:"pre"`
	AuthCheck     symbols `json:"auth_check"`
	PostKeyAuth   symbols `json:"post_key_auth"`
	PostAuthCheck symbols `json:"post_auth_check"`
	Post          symbols `json:"post"`
	Response      symbols `json:"response"`
}

func (h *hooks) isEmpty() bool {
	return len(h.Symbol)+len(h.Pre)+len(h.AuthCheck)+len(h.PostKeyAuth)+len(h.PostAuthCheck)+len(h.Post)+
		len(h.Response) == 0
}

// parse reads a configuration: the hooks, or a Tyk API definition that has them under `custom_middleware`.
func parse(text []byte) (*hooks, *ctx.APIDefinition, error) {
	found := struct {
		hooks
		CustomMiddleware *hooks `json:"custom_middleware"`
	}{}
	definition := &ctx.APIDefinition{}
	if len(bytes.TrimSpace(text)) > 0 {
		if err := json.Unmarshal(text, &found); err != nil {
			return nil, nil, fmt.Errorf("the stages: %w", err)
		}
		if err := json.Unmarshal(text, definition); err != nil {
			return nil, nil, fmt.Errorf("the API definition: %w", err)
		}
	}
	if found.CustomMiddleware != nil {
		return found.CustomMiddleware, definition, nil
	}
	return &found.hooks, definition, nil
}

// onlySymbol is what a configuration that names nothing means for a plugin that has one handler.
func onlySymbol(requests map[string]RequestHandler, responses map[string]ResponseHandler) *hooks {
	if all := append(sluiceway.Sorted(requests), sluiceway.Sorted(responses)...); len(all) == 1 {
		return &hooks{Symbol: symbols{symbol(all[0])}}
	}
	return &hooks{}
}
