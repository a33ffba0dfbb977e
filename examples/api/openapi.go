package main

import _ "embed"

// openapiYAML describes every route. The tests hold the two to each other, and
// each answer to it.
//
//go:embed openapi.yaml
var openapiYAML []byte

// yamlText is a body that is not JSON.
type yamlText []byte

func (a *api) openapi(*call) (reply, error) { return ok(yamlText(openapiYAML)) }
