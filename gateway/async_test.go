package main

import (
	"net/http"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	coordinatorv1 "sagamesh/gateway/gen/coordinator/v1"
	sagav1 "sagamesh/gateway/gen/saga/v1"
)

func TestRespondAsyncStartsTheSagaAndAnswers202(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, true) + "/dev/orders/process"
	f.does(func(c call) (proto.Message, error) {
		_ = grpc.SendHeader(c.ctx, metadata.Pairs("idempotent-replayed", "true"))
		return &sagav1.StartSagaResponse{Saga: &sagav1.Saga{SagaId: "s-1", State: sagav1.Saga_RUNNING}}, nil
	})
	got := post(t, url, goodOrder, "Prefer", "respond-async", "Idempotency-Key", "k", "traceparent", traceparent,
		"X-Envoy-Fault-Abort-Grpc-Request", "13", "Grpc-Metadata-Saga-Id", "x")
	if got.status != http.StatusAccepted || got.body != `{"saga_id":"s-1","state":"RUNNING"}` {
		t.Errorf("got %d %s", got.status, got.body)
	}
	for name, want := range map[string]string{
		"Content-Type":        "application/json",
		"Location":            "/v1/sagas/s-1",
		"Preference-Applied":  "respond-async",
		"Idempotent-Replayed": "true",
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}

	input, err := anypb.New(&coordinatorv1.ProcessOrderRequest{CustomerId: 1,
		Items: []*coordinatorv1.ProcessOrderRequest_Item{{Sku: "a", Quantity: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	c := f.onlyCall(t)
	want := &sagav1.StartSagaRequest{Definition: "process_order", Input: input}
	if c.method != "/saga.v1.SagaService/StartSaga" || !proto.Equal(c.request, want) {
		t.Errorf("called %s with %v", c.method, c.request)
	}
	for name, value := range map[string]string{
		"idempotency-key": "k", "traceparent": traceparent, "x-envoy-fault-abort-grpc-request": "13",
	} {
		if values := c.metadata.Get(name); len(values) != 1 || values[0] != value {
			t.Errorf("%s: %q", name, values)
		}
	}
	if c.metadata.Get("saga-id") != nil {
		t.Error("saga-id was forwarded")
	}
}

func TestRespondAsyncHasTheSameErrors(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, false) + "/dev/orders/process"

	f.fails(serviceError(t, codes.InvalidArgument, "IDEMPOTENCY_KEY_REUSED"))
	got := post(t, url, goodOrder, "Prefer", "respond-async")
	if got.status != http.StatusUnprocessableEntity || got.header.Get("Location") != "" {
		t.Errorf("got %d %q", got.status, got.header)
	}
	checkErrorBody(t, got, "IDEMPOTENCY_KEY_REUSED")
	f.onlyCall(t)

	plain := post(t, url, `{"coupon":1}`)
	got = post(t, url, `{"coupon":1}`, "Prefer", "respond-async")
	if got.status != http.StatusBadRequest || got.body != plain.body {
		t.Errorf("got %d %s\nwant %s", got.status, got.body, plain.body)
	}
	f.noCall(t)
}

func TestPreferIsReadByItsGrammar(t *testing.T) {
	for _, c := range []struct {
		header http.Header
		want   bool
	}{
		{http.Header{}, false},
		{headers("Prefer", "respond-async"), true},
		{headers("Prefer", "Respond-Async"), true},
		{headers("Prefer", "wait=10, respond-async"), true},
		{headers("Prefer", "respond-async; foo=bar"), true},
		{headers("Prefer", "wait=10", "Prefer", "respond-async"), true},
		{headers("Prefer", "respond-asynchronously"), false},
		{headers("Prefer", "return=minimal"), false},
	} {
		if got := prefersAsync(c.header); got != c.want {
			t.Errorf("%q: %v", c.header, got)
		}
	}
}

func TestPreferIsIgnoredElsewhere(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, false) + "/v1/sagas"
	f.replies(&sagav1.ListSagasResponse{})
	got := send(t, exchange{method: "GET", url: url, header: headers("Prefer", "respond-async")})
	if got.status != http.StatusOK || got.header.Get("Preference-Applied") != "" {
		t.Errorf("got %d %q", got.status, got.header)
	}
}
