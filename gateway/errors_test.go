package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	ordersv1 "sagamesh/gateway/gen/orders/v1"
)

func serviceError(t *testing.T, code codes.Code, reason string, details ...protoadapt.MessageV1) error {
	t.Helper()
	info := &errdetails.ErrorInfo{Reason: reason, Domain: "orders", Metadata: map[string]string{"b": "2", "a": "1"}}
	st, err := status.New(code, "<no & stock>").WithDetails(append([]protoadapt.MessageV1{info}, details...)...)
	if err != nil {
		t.Fatal(err)
	}
	return st.Err()
}

func retryAfter(d time.Duration) protoadapt.MessageV1 {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(d)}
}

func TestAServicesErrorKeepsItsCodeAndMapsToHTTP(t *testing.T) {
	f := startFake(t)
	url := startFace(t, ordersFace, f.target, false) + "/orders"
	for _, c := range []struct {
		code       codes.Code
		reason     string
		details    []protoadapt.MessageV1
		status     int
		retryAfter string
	}{
		{codes.InvalidArgument, "INVALID_QUANTITY", nil, 400, ""},
		{codes.InvalidArgument, "IDEMPOTENCY_KEY_REUSED", nil, 422, ""},
		{codes.FailedPrecondition, "INSUFFICIENT_STOCK", nil, 400, ""},
		{codes.OutOfRange, "X", nil, 400, ""},
		{codes.Unauthenticated, "X", nil, 401, ""},
		{codes.PermissionDenied, "X", nil, 403, ""},
		{codes.NotFound, "ORDER_NOT_FOUND", nil, 404, ""},
		{codes.AlreadyExists, "PRODUCT_EXISTS", nil, 409, ""},
		{codes.Aborted, "ALREADY_COMPENSATED", nil, 409, ""},
		{codes.ResourceExhausted, "QUEUE_FULL", nil, 429, "1"},
		{codes.ResourceExhausted, "QUEUE_FULL", []protoadapt.MessageV1{retryAfter(0)}, 429, "1"},
		{codes.ResourceExhausted, "QUEUE_FULL", []protoadapt.MessageV1{retryAfter(100 * time.Millisecond)}, 429, "1"},
		{codes.ResourceExhausted, "QUEUE_FULL", []protoadapt.MessageV1{retryAfter(2001 * time.Millisecond)}, 429, "3"},
		{codes.Internal, "FAULT_INJECTED", nil, 500, ""},
		{codes.Unknown, "X", nil, 500, ""},
		{codes.DataLoss, "X", nil, 500, ""},
		{codes.Unimplemented, "X", nil, 501, ""},
		{codes.Unavailable, "DATABASE_UNAVAILABLE", nil, 503, ""},
		{codes.Unavailable, "DATABASE_UNAVAILABLE", []protoadapt.MessageV1{retryAfter(time.Second)}, 503, "1"},
		{codes.DeadlineExceeded, "X", nil, 504, ""},
	} {
		t.Run(c.code.String()+" "+c.reason, func(t *testing.T) {
			f.fails(serviceError(t, c.code, c.reason, c.details...))
			got := get(t, url)
			if got.status != c.status || got.header.Get("Retry-After") != c.retryAfter {
				t.Errorf("got %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
			}
			checkErrorBody(t, got, c.reason)
			if !strings.Contains(got.body, `"message":"<no & stock>"`) || strings.Contains(got.body, `"domain":"gateway"`) {
				t.Errorf("body %s", got.body)
			}
		})
	}
}

func TestAnErrorBodyIsByteForByteTheSame(t *testing.T) {
	f := startFake(t)
	url := startFace(t, ordersFace, f.target, false) + "/orders"
	f.fails(serviceError(t, codes.FailedPrecondition, "INSUFFICIENT_STOCK"))
	const want = `{"code":9,"message":"<no & stock>","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",` +
		`"reason":"INSUFFICIENT_STOCK","domain":"orders","metadata":{"a":"1","b":"2"}}]}`
	for range 20 {
		if got := get(t, url); got.body != want {
			t.Fatalf("got %s\nwant %s", got.body, want)
		}
	}
}

func TestADetailOfAnUnknownTypeIsShownAsItsBytes(t *testing.T) {
	f := startFake(t)
	url := startFace(t, ordersFace, f.target, false) + "/orders"
	st := status.Convert(serviceError(t, codes.NotFound, "X")).Proto()
	st.Details = append(st.Details, &anypb.Any{TypeUrl: "type.googleapis.com/travel.v1.Detail", Value: []byte{1}})
	f.fails(status.FromProto(st).Err())
	got := get(t, url)
	if got.status != http.StatusNotFound ||
		!strings.HasSuffix(got.body, `,{"@type":"type.googleapis.com/travel.v1.Detail","value":"AQ=="}]}`) {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestWhatTheTransportSaysIsNotTold(t *testing.T) {
	f := startFake(t)
	url := startFace(t, ordersFace, f.target, false) + "/orders"
	for _, c := range []codes.Code{codes.Internal, codes.Unknown, codes.DataLoss, codes.ResourceExhausted, codes.NotFound,
		codes.Unimplemented, codes.PermissionDenied} {
		f.fails(status.Error(c, "10.1.2.3:50052 sent more than 33554432 bytes"))
		got := get(t, url)
		checkErrorBody(t, got, "BACKEND_FAILED")
		if got.status != http.StatusInternalServerError || strings.Contains(got.body, "10.1.2.3") ||
			!strings.Contains(got.body, `"code":13,"message":"the call to the service behind the Orders API failed"`) {
			t.Errorf("%v: got %d %s", c, got.status, got.body)
		}
	}
}

func TestACallThatAServiceCutsOffAtItsShutdownIs503(t *testing.T) {
	f := startFake(t)
	url := startFace(t, ordersFace, f.target, false) + "/orders"
	f.fails(status.Error(codes.Canceled, "CANCELLED"))
	if got := get(t, url); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "BACKEND_UNAVAILABLE") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestABackendThatIsDownIs503AndRecovers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := l.Addr().String()
	_ = l.Close()
	url := startFace(t, ordersFace, target, false) + "/orders"

	got := get(t, url)
	const want = `{"code":14,"message":"the service behind the Orders API is unavailable","details":[` +
		`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"BACKEND_UNAVAILABLE","domain":"gateway",` +
		`"metadata":{}}]}`
	if got.status != http.StatusServiceUnavailable || got.body != want {
		t.Errorf("got %d %s", got.status, got.body)
	}

	startFakeAt(t, target).replies(&ordersv1.ListOrdersResponse{})
	deadline := time.Now().Add(5 * time.Second)
	for get(t, url).status != http.StatusOK {
		if time.Now().After(deadline) {
			t.Fatal("the gateway did not connect again")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestACallPastItsDeadlineIs504(t *testing.T) {
	st := completeStatus("Orders API", status.FromContextError(context.DeadlineExceeded))
	if httpStatusOf(st) != http.StatusGatewayTimeout || errorInfo(st).GetReason() != "BACKEND_TIMEOUT" ||
		!strings.Contains(st.Message(), "30s") {
		t.Errorf("got %v", st)
	}
}

func TestTooManyRequestsAtOnceAreRefused(t *testing.T) {
	f := startFake(t)
	face := makeFace(t, ordersFace, f.target, false)
	for range requestsMax {
		face.slots <- struct{}{}
	}
	server := httptest.NewServer(face)
	defer server.Close()

	url := server.URL + "/orders"
	got := get(t, url)
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "1" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	checkErrorBody(t, got, "TOO_MANY_REQUESTS")
	f.noCall(t)

	<-face.slots
	f.replies(&ordersv1.ListOrdersResponse{})
	for range 3 {
		if got := get(t, url); got.status != http.StatusOK {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
}

func TestAReplyOfALongPageIsTaken(t *testing.T) {
	f := startFake(t)
	url := startFace(t, ordersFace, f.target, false) + "/orders"
	page := &ordersv1.ListOrdersResponse{}
	for range 500 {
		order := &ordersv1.Order{OrderId: strings.Repeat("o", 36)}
		for range 100 {
			order.Items = append(order.Items, &ordersv1.Order_Item{Sku: strings.Repeat("ñ", 64),
				Quantity: 1 << 29, UnitPriceCents: 1 << 50})
		}
		page.Orders = append(page.Orders, order)
	}
	if size := proto.Size(page); size < 4<<20 {
		t.Fatalf("a page of only %d bytes", size)
	}
	f.replies(page)
	if got := get(t, url); got.status != http.StatusOK {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
