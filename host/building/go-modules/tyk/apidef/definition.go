// Package apidef has the part of Tyk's API definition that handlers read.
package apidef

// APIDefinition is what the plugin's configuration says of the API.
type APIDefinition struct {
	Id                 string                 `json:"id,omitempty"`
	Name               string                 `json:"name"`
	Slug               string                 `json:"slug"`
	APIID              string                 `json:"api_id"`
	OrgID              string                 `json:"org_id"`
	UseKeylessAccess   bool                   `json:"use_keyless"`
	Active             bool                   `json:"active"`
	Domain             string                 `json:"domain"`
	Proxy              ProxyConfig            `json:"proxy"`
	ConfigData         map[string]interface{} `json:"config_data"`
	ConfigDataDisabled bool                   `json:"config_data_disabled"`
	Tags               []string               `json:"tags"`
}

// ProxyConfig is where the API's requests go.
type ProxyConfig struct {
	ListenPath         string `json:"listen_path"`
	TargetURL          string `json:"target_url"`
	StripListenPath    bool   `json:"strip_listen_path"`
	PreserveHostHeader bool   `json:"preserve_host_header"`
}
