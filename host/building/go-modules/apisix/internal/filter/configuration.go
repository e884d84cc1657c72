package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// entry is an element of `conf` of APISIX's ext-plugin-*: the value is serialized JSON, or, here, JSON as it is.
type entry struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

func (e entry) text() string {
	var text string
	if json.Unmarshal(e.Value, &text) == nil {
		return text
	}
	return string(e.Value)
}

type entries struct {
	Conf []entry `json:"conf"`
}

// phases are the plugins of APISIX that call the runner. Where they are named, each filter runs in its phase alone.
type phases struct {
	PreRequest  *entries `json:"ext-plugin-pre-req"`
	PostRequest *entries `json:"ext-plugin-post-req"`
	PostReponse *entries `json:"ext-plugin-post-resp"`
}

// parse returns what runs on requests, and on responses. A configuration is one of
//
//	{"ext-plugin-pre-req": {"conf": [{"name": …, "value": …}, …]}, "ext-plugin-post-resp": …}
//	{"conf": [{"name": …, "value": …}, …]}, or the list alone
//	what the only plugin's ParseConf takes
func parse(text []byte) (requests, responses []step, err error) {
	var byPhase phases
	if json.Unmarshal(text, &byPhase) == nil && byPhase != (phases{}) {
		for _, conf := range []*entries{byPhase.PreRequest, byPhase.PostRequest} {
			if conf != nil {
				if requests, err = add(requests, conf.Conf); err != nil {
					return nil, nil, err
				}
			}
		}
		if byPhase.PostReponse != nil {
			responses, err = add(nil, byPhase.PostReponse.Conf)
		}
		return requests, responses, err
	}
	list, ok := listOf(text)
	if !ok {
		if len(registered) != 1 {
			return nil, nil, fmt.Errorf(`name the plugins, as [{"name": …, "value": …}]; there are: %s`,
				strings.Join(names(), ", "))
		}
		list = []entry{{Name: names()[0], Value: bare(text)}}
	}
	both, err := add(nil, list)
	return both, both, err
}

func listOf(text []byte) ([]entry, bool) {
	var list []entry
	if json.Unmarshal(text, &list) != nil {
		var object map[string]json.RawMessage
		if json.Unmarshal(text, &object) != nil || len(object) != 1 || json.Unmarshal(object["conf"], &list) != nil {
			return nil, false
		}
	}
	for _, item := range list {
		if item.Name == "" {
			return nil, false
		}
	}
	return list, true
}

// bare is a configuration as the value of an entry: text that is no JSON is for ParseConf to judge.
func bare(text []byte) json.RawMessage {
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}")
	}
	encoded, _ := json.Marshal(string(text))
	return encoded
}

func add(steps []step, list []entry) ([]step, error) {
	var problems []error
	for _, item := range list {
		made, err := made(item.Name, item.text())
		if err != nil {
			problems = append(problems, err)
			continue
		}
		steps = append(steps, made)
	}
	return steps, errors.Join(problems...)
}
