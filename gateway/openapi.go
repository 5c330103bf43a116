package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
)

// openAPIDocument describes the whole API, all faces together.
//
//go:embed gen/openapi/sagamesh.swagger.json
var openAPIDocument []byte

// document is what the gateway itself reads of the OpenAPI document, so that its own checks and the document agree.
type document struct {
	Paths map[string]map[string]operation `json:"paths"`
}

type operation struct {
	ID         string      `json:"operationId"`
	Tags       []string    `json:"tags"` // the gRPC service's name
	Parameters []parameter `json:"parameters"`
}

type parameter struct {
	Name string `json:"name"`
	In   string `json:"in"` // "body", "header", "path" or "query"
}

func parseDocument(text []byte) (document, error) {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return document{}, fmt.Errorf("OpenAPI document: %w", err)
	}
	return d, nil
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, openAPIDocument)
}
