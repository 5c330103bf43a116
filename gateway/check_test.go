package main

import (
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"
)

func TestCheckTellsAHealthyGatewayFromOneWhoseServiceIsAway(t *testing.T) {
	f := startFake(t)
	orders := strings.TrimPrefix(startFace(t, ordersFace, f.target, false), "http://")
	customers := strings.TrimPrefix(startFace(t, customersFace, f.target, false), "http://")
	o := options{ordersListen: []string{orders}, customersListen: []string{customers}}

	f.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_SERVING)
	if err := check(t.Context(), o); err != nil {
		t.Errorf("healthy, yet %v", err)
	}

	f.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	err := check(t.Context(), o)
	for _, want := range []string{orders, customers, "503 Service Unavailable", `"db":"disconnected"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, without %q", err, want)
		}
	}
}

func TestCheckNamesAnAddressWhereNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	if err := check(t.Context(), options{ordersListen: []string{address}}); err == nil ||
		!strings.Contains(err.Error(), address) {
		t.Errorf("got %v", err)
	}
}
