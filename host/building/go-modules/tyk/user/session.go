// Package user has the session that a check of a plugin's sets and that later plugins read.
package user

import (
	"maps"
	"slices"
	"time"
)

// HashType says how a password is stored.
type HashType string

// The ways that Tyk knows.
const (
	HashPlainText HashType = ""
	HashBCrypt    HashType = "bcrypt"
)

// AccessSpec is a URL that a key may use, with the methods.
type AccessSpec struct {
	URL     string   `json:"url"`
	Methods []string `json:"methods"`
}

// APILimit are the limits of a key on one API.
type APILimit struct {
	Rate               float64 `json:"rate"`
	Per                float64 `json:"per"`
	ThrottleInterval   float64 `json:"throttle_interval"`
	ThrottleRetryLimit int     `json:"throttle_retry_limit"`
	MaxQueryDepth      int     `json:"max_query_depth"`
	QuotaMax           int64   `json:"quota_max"`
	QuotaRenews        int64   `json:"quota_renews"`
	QuotaRemaining     int64   `json:"quota_remaining"`
	QuotaRenewalRate   int64   `json:"quota_renewal_rate"`
	SetBy              string  `json:"-"`
}

// IsEmpty tells whether nothing is limited.
func (limit APILimit) IsEmpty() bool { return limit == APILimit{} }

// AccessDefinition says what a key may do with one API.
type AccessDefinition struct {
	APIName        string       `json:"api_name"`
	APIID          string       `json:"api_id"`
	Versions       []string     `json:"versions"`
	AllowedURLs    []AccessSpec `json:"allowed_urls"`
	Limit          APILimit     `json:"limit"`
	AllowanceScope string       `json:"allowance_scope"`
}

// BasicAuthData is the password of a key.
type BasicAuthData struct {
	Password string   `json:"password"`
	Hash     HashType `json:"hash_type"`
}

// JWTData is the secret of a key.
type JWTData struct {
	Secret string `json:"secret"`
}

// Monitor says at which parts of a quota to tell somebody.
type Monitor struct {
	TriggerLimits []float64 `json:"trigger_limits"`
}

// SessionState is the session of a key. Limits and quotas are carried, and not enforced by anyone here.
type SessionState struct {
	LastCheck                     int64                       `json:"last_check"`
	Allowance                     float64                     `json:"allowance"`
	Rate                          float64                     `json:"rate"`
	Per                           float64                     `json:"per"`
	ThrottleInterval              float64                     `json:"throttle_interval"`
	ThrottleRetryLimit            int                         `json:"throttle_retry_limit"`
	MaxQueryDepth                 int                         `json:"max_query_depth"`
	DateCreated                   time.Time                   `json:"date_created"`
	Expires                       int64                       `json:"expires"`
	QuotaMax                      int64                       `json:"quota_max"`
	QuotaRenews                   int64                       `json:"quota_renews"`
	QuotaRemaining                int64                       `json:"quota_remaining"`
	QuotaRenewalRate              int64                       `json:"quota_renewal_rate"`
	AccessRights                  map[string]AccessDefinition `json:"access_rights"`
	OrgID                         string                      `json:"org_id"`
	OauthClientID                 string                      `json:"oauth_client_id"`
	OauthKeys                     map[string]string           `json:"oauth_keys"`
	Certificate                   string                      `json:"certificate"`
	BasicAuthData                 BasicAuthData               `json:"basic_auth_data"`
	JWTData                       JWTData                     `json:"jwt_data"`
	HMACEnabled                   bool                        `json:"hmac_enabled"`
	EnableHTTPSignatureValidation bool                        `json:"enable_http_signature_validation"`
	HmacSecret                    string                      `json:"hmac_string"`
	RSACertificateId              string                      `json:"rsa_certificate_id"`
	IsInactive                    bool                        `json:"is_inactive"`
	ApplyPolicyID                 string                      `json:"apply_policy_id"`
	ApplyPolicies                 []string                    `json:"apply_policies"`
	DataExpires                   int64                       `json:"data_expires"`
	Monitor                       Monitor                     `json:"monitor"`
	EnableDetailRecording         bool                        `json:"enable_detail_recording"`
	EnableDetailedRecording       bool                        `json:"enable_detailed_recording"`
	MetaData                      map[string]interface{}      `json:"meta_data"`
	Tags                          []string                    `json:"tags"`
	Alias                         string                      `json:"alias"`
	LastUpdated                   string                      `json:"last_updated"`
	IdExtractorDeadline           int64                       `json:"id_extractor_deadline"`
	SessionLifetime               int64                       `json:"session_lifetime"`
	KeyID                         string                      `json:"key_id,omitempty"`

	keyHash string
}

// NewSessionState returns an empty session.
func NewSessionState() *SessionState { return &SessionState{} }

// Clone returns a copy that shares no map and no list with the session.
func (s SessionState) Clone() SessionState {
	s.AccessRights = maps.Clone(s.AccessRights)
	s.OauthKeys = maps.Clone(s.OauthKeys)
	s.ApplyPolicies = slices.Clone(s.ApplyPolicies)
	s.MetaData = maps.Clone(s.MetaData)
	s.Tags = slices.Clone(s.Tags)
	return s
}

// KeyHash returns the hash that SetKeyHash has set.
func (s *SessionState) KeyHash() string { return s.keyHash }

// SetKeyHash sets the hash of the key.
func (s *SessionState) SetKeyHash(hash string) { s.keyHash = hash }

// KeyHashEmpty tells whether there is no hash.
func (s *SessionState) KeyHashEmpty() bool { return s.keyHash == "" }

// PolicyIDs returns the ids of the policies that apply.
func (s *SessionState) PolicyIDs() []string {
	if len(s.ApplyPolicies) == 0 && s.ApplyPolicyID != "" {
		return []string{s.ApplyPolicyID}
	}
	return s.ApplyPolicies
}

// SetPolicies sets the ids of the policies that apply.
func (s *SessionState) SetPolicies(ids ...string) {
	s.ApplyPolicyID, s.ApplyPolicies = "", ids
}

// GetQuotaLimitByAPIID returns maximum, remainder, renewal rate and time of renewal of the quota on an API.
func (s *SessionState) GetQuotaLimitByAPIID(apiID string) (int64, int64, int64, int64) {
	if access, ok := s.AccessRights[apiID]; ok && !access.Limit.IsEmpty() {
		limit := access.Limit
		return limit.QuotaMax, limit.QuotaRemaining, limit.QuotaRenewalRate, limit.QuotaRenews
	}
	return s.QuotaMax, s.QuotaRemaining, s.QuotaRenewalRate, s.QuotaRenews
}
