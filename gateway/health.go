package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"
)

const healthTimeout = time.Second

// healthHandler answers /health by asking the service, which is SERVING only while its database answers.
type healthHandler struct {
	title  string
	client grpc_health_v1.HealthClient
}

type healthReply struct {
	Status  string `json:"status"`
	Service string `json:"service"`
	DB      string `json:"db"`
}

func (h *healthHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	httpStatus, reply := http.StatusOK, healthReply{Status: "ok", Service: h.title, DB: "connected"}
	check, err := h.client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil || check.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		httpStatus, reply = http.StatusServiceUnavailable, healthReply{Status: "error", Service: h.title, DB: "disconnected"}
	}
	text, err := json.Marshal(reply)
	if err != nil {
		writeError(w, h.title, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, httpStatus, text)
}
