// Package client tells about the client and, once there is one, about its consumer.
package client

import (
	"errors"
	"strconv"

	"github.com/Kong/go-pdk/bridge"
	"github.com/Kong/go-pdk/entities"
)

// Client is kong.Client.
type Client struct{ bridge.PdkBridge }

// AuthenticatedCredential says by what a consumer has been authenticated.
type AuthenticatedCredential struct {
	Id         string `json:"id"`
	ConsumerId string `json:"consumer_id"`
}

// session is what of the exchange's session this package reads and writes.
type session struct {
	Consumer   *entities.Consumer       `json:"consumer,omitempty"`
	Credential *AuthenticatedCredential `json:"credential,omitempty"`
}

// GetIp returns the address of the peer.
func (c Client) GetIp() (ip string, err error) { return c.variable("remote_addr") }

// GetForwardedIp returns the address of the peer: which proxies to trust, only the gateway knows.
func (c Client) GetForwardedIp() (string, error) { return c.variable("remote_addr") }

// GetPort returns the port of the peer.
func (c Client) GetPort() (int, error) { return c.port() }

// GetForwardedPort returns the port of the peer.
func (c Client) GetForwardedPort() (int, error) { return c.port() }

// GetProtocol returns http or https.
func (c Client) GetProtocol(allow_terminated bool) (string, error) {
	if allow_terminated {
		if value, _ := c.Exchange.Request.Get("x-forwarded-proto"); value == "https" {
			return value, nil
		}
	}
	return c.variable("scheme")
}

// GetCredential returns what Authenticate has set; nothing without it.
func (c Client) GetCredential() (cred AuthenticatedCredential, err error) {
	var s session
	if c.Exchange.Value(&s, "session") && s.Credential != nil {
		cred = *s.Credential
	}
	return cred, nil
}

// GetConsumer returns the consumer that Authenticate has set; nothing without it.
func (c Client) GetConsumer() (consumer entities.Consumer, err error) {
	var s session
	if c.Exchange.Value(&s, "session") && s.Consumer != nil {
		consumer = *s.Consumer
	}
	return consumer, nil
}

// Authenticate sets consumer and credential, in the session that plugins of all kinds see.
func (c Client) Authenticate(consumer *entities.Consumer, credential *AuthenticatedCredential) error {
	if consumer == nil && credential == nil {
		return errors.New("either credential or consumer must be provided")
	}
	whole := map[string]any{}
	c.Exchange.Value(&whole, "session")
	whole["consumer"], whole["credential"] = consumer, credential
	return c.Exchange.SetSession(whole)
}

// LoadConsumer is not supported: there is no store of consumers.
func (c Client) LoadConsumer(consumer_id string, by_username bool) (consumer entities.Consumer, err error) {
	return consumer, bridge.Unsupported("kong.client.load_consumer")
}

func (c Client) variable(name string) (string, error) {
	value, _ := c.Exchange.Variable(name)
	return value, nil
}

func (c Client) port() (int, error) {
	value, _ := c.Exchange.Variable("remote_port")
	return strconv.Atoi(value)
}
