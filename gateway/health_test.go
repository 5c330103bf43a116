package main

import (
	"net"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"
)

func TestHealthSaysWhatTheServiceSays(t *testing.T) {
	f := startFake(t)
	for _, spec := range []faceSpec{coordinatorFace, ordersFace, customersFace} {
		url := startFace(t, spec, f.target, false) + "/health"
		f.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_SERVING)
		got := get(t, url)
		if want := `{"status":"ok","service":"` + spec.title + `","db":"connected"}`; got.status != 200 || got.body != want {
			t.Errorf("got %d %s, want %s", got.status, got.body, want)
		}
		f.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
		got = get(t, url)
		want := `{"status":"error","service":"` + spec.title + `","db":"disconnected"}`
		if got.status != http.StatusServiceUnavailable || got.body != want {
			t.Errorf("got %d %s, want %s", got.status, got.body, want)
		}
	}
}

func TestHealthOfASilentServiceFailsWithinItsTimeLimit(t *testing.T) {
	// A listener that accepts and never answers.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	url := startFace(t, ordersFace, l.Addr().String(), false) + "/health"
	begin := time.Now()
	got := get(t, url)
	if got.status != http.StatusServiceUnavailable || time.Since(begin) > healthTimeout+time.Second {
		t.Errorf("got %d after %v", got.status, time.Since(begin))
	}
}
