package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	coordinatorv1 "sagamesh/gateway/gen/coordinator/v1"
	customersv1 "sagamesh/gateway/gen/customers/v1"
	ordersv1 "sagamesh/gateway/gen/orders/v1"
	sagav1 "sagamesh/gateway/gen/saga/v1"
)

// call is one RPC that the fake services received.
type call struct {
	method   string // "/orders.v1.OrdersService/GetOrder"
	metadata metadata.MD
	request  proto.Message
	ctx      context.Context
}

// fake stands for all services at once: a server that records every call and answers it by `answer`.
type fake struct {
	mu     sync.Mutex
	calls  []call
	answer func(call) (proto.Message, error)
	health *health.Server
	target string
	stop   func() // ends it at once
}

// interceptor answers every call of the services by the fake, so that they need no implementation of their own.
func (f *fake) interceptor(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (
	any, error) {
	if strings.HasPrefix(info.FullMethod, "/grpc.health.") {
		return next(ctx, request)
	}
	md, _ := metadata.FromIncomingContext(ctx)
	c := call{method: info.FullMethod, metadata: md, request: request.(proto.Message), ctx: ctx}
	f.mu.Lock()
	f.calls = append(f.calls, c)
	answer := f.answer
	f.mu.Unlock()
	return answer(c)
}

type (
	fakeCoordinator struct {
		coordinatorv1.UnimplementedCoordinatorServiceServer
	}
	fakeSagas struct {
		sagav1.UnimplementedSagaServiceServer
	}
	fakeOrders struct {
		ordersv1.UnimplementedOrdersServiceServer
	}
	fakeCustomers struct {
		customersv1.UnimplementedCustomersServiceServer
	}
	fakeStock struct {
		customersv1.UnimplementedStockServiceServer
	}
)

func startFake(t *testing.T) *fake {
	t.Helper()
	return startFakeAt(t, "127.0.0.1:0")
}

func startFakeAt(t *testing.T, address string) *fake {
	t.Helper()
	f := &fake{health: health.NewServer(), answer: func(c call) (proto.Message, error) {
		return nil, status.Error(codes.Unimplemented, "no answer set for "+c.method)
	}}
	server := grpc.NewServer(grpc.UnaryInterceptor(f.interceptor))
	coordinatorv1.RegisterCoordinatorServiceServer(server, fakeCoordinator{})
	sagav1.RegisterSagaServiceServer(server, fakeSagas{})
	ordersv1.RegisterOrdersServiceServer(server, fakeOrders{})
	customersv1.RegisterCustomersServiceServer(server, fakeCustomers{})
	customersv1.RegisterStockServiceServer(server, fakeStock{})
	grpc_health_v1.RegisterHealthServer(server, f.health)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	f.target = l.Addr().String()
	go func() { _ = server.Serve(l) }()
	f.stop = server.Stop
	t.Cleanup(server.Stop)
	return f
}

// replies makes the fake answer every call with one message.
func (f *fake) replies(m proto.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = func(call) (proto.Message, error) { return m, nil }
}

// fails makes the fake answer every call with one error.
func (f *fake) fails(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = func(call) (proto.Message, error) { return nil, err }
}

func (f *fake) does(answer func(call) (proto.Message, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// seen are the calls since the last time.
func (f *fake) seen() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func (f *fake) onlyCall(t *testing.T) call {
	t.Helper()
	calls := f.seen()
	if len(calls) != 1 {
		t.Fatalf("want 1 call, got %d", len(calls))
	}
	return calls[0]
}

func (f *fake) noCall(t *testing.T) {
	t.Helper()
	if calls := f.seen(); len(calls) != 0 {
		t.Errorf("the request reached the service: %s", calls[0].method)
	}
}

// makeFace makes a face in front of a target.
func makeFace(t *testing.T, spec faceSpec, target string, faults bool) *face {
	t.Helper()
	d, err := parseDocument(openAPIDocument)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dial(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	f, err := newFace(spec, conn, d, faults)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// startFace serves one; its base URL.
func startFace(t *testing.T, spec faceSpec, target string, faults bool) string {
	t.Helper()
	server := httptest.NewServer(makeFace(t, spec, target, faults))
	t.Cleanup(server.Close)
	return server.URL
}

// exchange is one HTTP request of a test.
type exchange struct {
	method, url, body string
	header            http.Header
}

type answer struct {
	status int
	header http.Header
	body   string
}

// headers makes a header from name, value, name, value...
func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func send(t *testing.T, e exchange) answer {
	t.Helper()
	var body io.Reader
	if e.body != "" {
		body = bytes.NewReader([]byte(e.body))
	}
	r, err := http.NewRequest(e.method, e.url, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range e.header {
		r.Header[name] = values
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: reply.StatusCode, header: reply.Header, body: string(text)}
}

func get(t *testing.T, url string) answer {
	t.Helper()
	return send(t, exchange{method: http.MethodGet, url: url})
}

func post(t *testing.T, url, body string, pairs ...string) answer {
	t.Helper()
	return send(t, exchange{method: http.MethodPost, url: url, body: body, header: headers(pairs...)})
}
