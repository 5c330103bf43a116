package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	coordinatorv1 "sagamesh/gateway/gen/coordinator/v1"
)

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// transportMetadata is what every gRPC call carries.
var transportMetadata = []string{":authority", "content-type", "user-agent"}

func TestOnlyTheAllowedHeadersAreForwarded(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, true) + "/dev/orders/process"
	f.replies(&coordinatorv1.ProcessOrderResponse{})
	got := post(t, url, goodOrder,
		"Idempotency-Key", "k-1",
		"traceparent", traceparent,
		"tracestate", "a=1",
		"X-Envoy-Fault-Abort-Grpc-Request", "13",
		"X-Envoy-Fault-Delay-Request", "5",
		"X-Sagamesh-Fault-Method", "orders.v1.OrdersService/ConfirmOrder",
		"X-Sagamesh-Fault-Phase", "after",
		"Grpc-Metadata-Saga-Id", "x",
		"Grpc-Metadata-Idempotency-Key", "stolen",
		"Grpc-Timeout", "1n",
		"Authorization", "Bearer x",
		"X-Forwarded-For", "1.2.3.4",
		"X-Forwarded-Host", "evil",
		"X-HTTP-Method-Override", "GET",
		"Saga-Id", "x",
		"Cookie", "a=b",
		"TE", "trailers",
		"Some-Bin", "!!")
	if got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	call := f.onlyCall(t)
	want := map[string]string{
		"idempotency-key":                  "k-1",
		"traceparent":                      traceparent,
		"tracestate":                       "a=1",
		"x-envoy-fault-abort-grpc-request": "13",
		"x-envoy-fault-delay-request":      "5",
		"x-sagamesh-fault-method":          "orders.v1.OrdersService/ConfirmOrder",
		"x-sagamesh-fault-phase":           "after",
	}
	for name, value := range want {
		if values := call.metadata.Get(name); !slices.Equal(values, []string{value}) {
			t.Errorf("%s: %q, want %q", name, values, value)
		}
	}
	for name, values := range call.metadata {
		if _, ok := want[name]; !ok && !slices.Contains(transportMetadata, name) {
			t.Errorf("%s: %q was forwarded", name, values)
		}
	}
}

func TestTheGatewaySetsItsOwnDeadline(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, false) + "/dev/orders/process"
	left := make(chan time.Duration, 1)
	f.does(func(c call) (proto.Message, error) {
		deadline, _ := c.ctx.Deadline()
		left <- time.Until(deadline)
		return &coordinatorv1.ProcessOrderResponse{}, nil
	})
	if got := post(t, url, goodOrder, "Grpc-Timeout", "1S"); got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	if d := <-left; d < 25*time.Second || d > callTimeout {
		t.Errorf("the call had %v left", d)
	}
}

func TestTheIdempotencyKeyIsChecked(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, false) + "/dev/orders/process"
	f.replies(&coordinatorv1.ProcessOrderResponse{})
	long := strings.Repeat("k", 255)
	for _, c := range []struct {
		name   string
		header http.Header
		key    string // that goes on; "": none
		named  string // the header that a refusal names; "": taken
	}{
		{"none", http.Header{}, "", ""},
		{"longest", headers("Idempotency-Key", long), long, ""},
		{"spaces within", headers("Idempotency-Key", "a b"), "a b", ""},
		{"other spelling", headers("X-Idempotency-Key", "k"), "k", ""},
		{"both, equal", headers("Idempotency-Key", "k", "X-Idempotency-Key", "k"), "k", ""},
		{"both, different", headers("Idempotency-Key", "k", "X-Idempotency-Key", "l"), "", "X-Idempotency-Key"},
		{"twice, different", headers("Idempotency-Key", "k", "Idempotency-Key", "l"), "", "Idempotency-Key"},
		{"too long", headers("Idempotency-Key", long+"k"), "", "Idempotency-Key"},
		{"empty", headers("Idempotency-Key", ""), "", "Idempotency-Key"},
		{"empty in the other spelling", headers("X-Idempotency-Key", ""), "", "X-Idempotency-Key"},
		{"not ASCII", headers("Idempotency-Key", "ñ"), "", "Idempotency-Key"},
		{"tab", headers("Idempotency-Key", "a\tb"), "", "Idempotency-Key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := send(t, exchange{method: "POST", url: url, body: goodOrder, header: c.header})
			if c.named != "" {
				if got.status != http.StatusBadRequest || !strings.Contains(got.body, c.named) {
					t.Errorf("got %d %s", got.status, got.body)
				}
				checkErrorBody(t, got, "INVALID_REQUEST")
				f.noCall(t)
				return
			}
			if got.status != http.StatusOK {
				t.Fatalf("got %d %s", got.status, got.body)
			}
			if key := strings.Join(f.onlyCall(t).metadata.Get("idempotency-key"), "|"); key != c.key {
				t.Errorf("key %q, want %q", key, c.key)
			}
		})
	}
}

func TestFaultHeadersAreRefusedUnlessEnabled(t *testing.T) {
	f := startFake(t)
	off := startFace(t, coordinatorFace, f.target, false) + "/dev/orders/process"
	on := startFace(t, coordinatorFace, f.target, true) + "/dev/orders/process"
	for _, name := range faultHeaders {
		got := post(t, off, goodOrder, name, "13")
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, "fault injection is off") ||
			!strings.Contains(got.body, name) {
			t.Errorf("got %d %s", got.status, got.body)
		}
		checkErrorBody(t, got, "FAULT_INJECTION_DISABLED")
		for _, bad := range []http.Header{headers(name, ""), headers(name, "ñ"), headers(name, "1", name, "2")} {
			got := send(t, exchange{method: "POST", url: on, body: goodOrder, header: bad})
			if got.status != http.StatusBadRequest || !strings.Contains(got.body, name) {
				t.Errorf("%q: got %d %s", bad, got.status, got.body)
			}
		}
	}
	f.noCall(t)
}

func TestAMalformedTraceIsNotForwarded(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, false) + "/dev/orders/process"
	f.replies(&coordinatorv1.ProcessOrderResponse{})
	for _, h := range []http.Header{
		headers("traceparent", "nonsense", "tracestate", "a=1"),
		headers("traceparent", traceparent, "traceparent", traceparent),
		headers("traceparent", strings.ToUpper(traceparent)),
		headers("tracestate", "a=1"),
		headers("traceparent", traceparent+"-"+strings.Repeat("x", 10_000), "tracestate", "a=1"),
	} {
		if got := send(t, exchange{method: "POST", url: url, body: goodOrder, header: h}); got.status != http.StatusOK {
			t.Errorf("%q: got %d %s", h, got.status, got.body)
		}
		md := f.onlyCall(t).metadata
		if len(md.Get("traceparent"))+len(md.Get("tracestate")) != 0 {
			t.Errorf("%q was forwarded", h)
		}
	}
	send(t, exchange{method: "POST", url: url, body: goodOrder,
		header: headers("traceparent", traceparent, "tracestate", "a=1", "tracestate", "b=2")})
	if state := f.onlyCall(t).metadata.Get("tracestate"); !slices.Equal(state, []string{"a=1,b=2"}) {
		t.Errorf("tracestate %q", state)
	}
	send(t, exchange{method: "POST", url: url, body: goodOrder,
		header: headers("traceparent", traceparent, "tracestate", "a="+strings.Repeat("x", 10_000))})
	md := f.onlyCall(t).metadata
	if !slices.Equal(md.Get("traceparent"), []string{traceparent}) || len(md.Get("tracestate")) != 0 {
		t.Errorf("%v of a long tracestate was forwarded", md)
	}
}

func TestReplyHeadersComeFromMetadata(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, false) + "/dev/orders/process"
	failure := status.Error(codes.FailedPrecondition, "no")
	replayed := metadata.Pairs("idempotent-replayed", "true", "other", "x")
	compensating := metadata.Pairs("saga-state", "COMPENSATING", "other", "x")
	for _, c := range []struct {
		name            string
		header, trailer metadata.MD
		err             error
		replayed, state string
	}{
		{"nothing", nil, nil, nil, "", ""},
		{"both on success", replayed, compensating, nil, "true", "COMPENSATING"},
		{"both on failure", replayed, compensating, failure, "true", "COMPENSATING"},
		{"replayed as a trailer", nil, replayed, failure, "true", ""},
		{"not replayed", metadata.Pairs("idempotent-replayed", "false"), nil, nil, "", ""},
		{"nothing on failure", nil, nil, failure, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.does(func(call call) (proto.Message, error) {
				if c.header != nil {
					_ = grpc.SendHeader(call.ctx, c.header)
				}
				_ = grpc.SetTrailer(call.ctx, c.trailer)
				return &coordinatorv1.ProcessOrderResponse{}, c.err
			})
			got := post(t, url, goodOrder, "TE", "trailers")
			if got.header.Get("Idempotent-Replayed") != c.replayed || got.header.Get("Saga-State") != c.state {
				t.Errorf("headers %q", got.header)
			}
			for name := range got.header {
				if strings.HasPrefix(name, "Grpc-") || name == "Other" || name == "Trailer" {
					t.Errorf("header %s", name)
				}
			}
		})
	}
}
