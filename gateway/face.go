package main

import (
	"context"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	coordinatorv1 "sagamesh/gateway/gen/coordinator/v1"
	customersv1 "sagamesh/gateway/gen/customers/v1"
	ordersv1 "sagamesh/gateway/gen/orders/v1"
	sagav1 "sagamesh/gateway/gen/saga/v1"
)

// requestsMax bounds the requests under way on a face; beyond it they are refused with 429.
const requestsMax = 4096

type register func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error

// faceSpec says which part of the API a face shows.
type faceSpec struct {
	title    string // as /health says it
	services []string
	register []register
}

var (
	coordinatorFace = faceSpec{
		title:    "Coordinator API",
		services: []string{"CoordinatorService", "SagaService"},
		register: []register{coordinatorv1.RegisterCoordinatorServiceHandler, sagav1.RegisterSagaServiceHandler},
	}
	ordersFace = faceSpec{
		title:    "Orders API",
		services: []string{"OrdersService"},
		register: []register{ordersv1.RegisterOrdersServiceHandler},
	}
	customersFace = faceSpec{
		title:    "Customers API",
		services: []string{"CustomersService", "StockService"},
		register: []register{customersv1.RegisterCustomersServiceHandler, customersv1.RegisterStockServiceHandler},
	}
)

// face is the REST API of one service: checks a request as HTTP, hands it to the generated gateway. Thread-safe.
type face struct {
	title  string
	routes routes
	faults bool
	slots  chan struct{} // one element per request under way
	mux    *runtime.ServeMux
	health *healthHandler
	sagas  sagav1.SagaServiceClient // only the coordinator's face uses it
}

func newFace(spec faceSpec, conn *grpc.ClientConn, d document, faults bool) (*face, error) {
	f := &face{
		title:  spec.title,
		routes: newRoutes(d, spec.services),
		faults: faults,
		slots:  make(chan struct{}, requestsMax),
		health: &healthHandler{title: spec.title, client: grpc_health_v1.NewHealthClient(conn)},
		sagas:  sagav1.NewSagaServiceClient(conn),
	}
	f.mux = newMux(f.title)
	for _, r := range spec.register {
		if err := r(context.Background(), f.mux, conn); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func newMux(title string) *runtime.ServeMux {
	none := func(string) (string, bool) { return "", false }
	return runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, jsonMarshaler{}),
		// A path variable is one segment, fully unescaped: a sku may hold an escaped slash.
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptReserved),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithIncomingHeaderMatcher(none),
		runtime.WithOutgoingHeaderMatcher(none),
		runtime.WithOutgoingTrailerMatcher(none),
		runtime.WithMetadata(func(ctx context.Context, _ *http.Request) metadata.MD { return callMetadata(ctx) }),
		runtime.WithForwardResponseOption(forwardReplyHeaders),
		runtime.WithWriteContentLength(),
		runtime.WithErrorHandler(func(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter,
			r *http.Request, err error) {
			if body, ok := r.Body.(*requestBody); ok && body.failure != nil {
				err = body.failure
			}
			md, _ := runtime.ServerMetadataFromContext(ctx)
			setReplyHeaders(w, md)
			writeError(w, title, err)
		}),
	)
}

func (f *face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/health":
		f.serveFixed(w, r, f.health.ServeHTTP)
	case "/openapi.json":
		f.serveFixed(w, r, serveOpenAPI)
	default:
		if err := f.serveAPI(w, r); err != nil {
			writeError(w, f.title, err)
		}
	}
}

// serveFixed serves a path that is no RPC.
func (f *face) serveFixed(w http.ResponseWriter, r *http.Request, handler http.HandlerFunc) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		writeError(w, f.title, methodNotAllowed(r.Method, "GET, HEAD"))
		return
	}
	handler(w, r)
}

// serveAPI checks the request and calls the service. An error that it returns is not yet written.
func (f *face) serveAPI(w http.ResponseWriter, r *http.Request) error {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	default:
		return tooManyRequests()
	}

	rt, err := f.routes.match(r)
	if err != nil {
		return err
	}
	if err := rt.checkURL(r); err != nil {
		return err
	}
	md, err := readHeaders(r.Header, f.faults)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, rt.takesBody)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	ctx = withCallMetadata(ctx, md)
	if rt.operation == processOrderOperation && prefersAsync(r.Header) {
		return f.startProcessOrder(ctx, w, body)
	}
	f.mux.ServeHTTP(w, innerRequest(ctx, r, body))
	return nil
}

// innerRequest is what the generated gateway sees: without the client's headers and addresses, it has nothing to
// forward but what readHeaders allowed.
func innerRequest(ctx context.Context, r *http.Request, body *requestBody) *http.Request {
	inner := r.WithContext(ctx)
	inner.Header = http.Header{}
	inner.Trailer = nil
	inner.Host = ""
	inner.RemoteAddr = ""
	inner.Body = body
	if inner.Method == http.MethodHead {
		inner.Method = http.MethodGet
	}
	return inner
}
