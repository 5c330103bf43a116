package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of an HTTP connection.
const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 2 * time.Minute
	writeTimeout      = callTimeout + 30*time.Second
	headerBytesMax    = 64 << 10
)

// endpoint is a face and the addresses that it answers on.
type endpoint struct {
	face      *face
	addresses []string
}

// run serves every face until ctx ends, then finishes what is under way within the grace period. An address that cannot
// be listened on is an error that names it, before anything is served.
func run(ctx context.Context, o options) error {
	endpoints, closeBackends, err := newEndpoints(o)
	if err != nil {
		return err
	}
	defer closeBackends()

	listeners, err := listen(ctx, endpoints)
	if err != nil {
		return err
	}
	return serve(ctx, listeners, o.grace)
}

func newEndpoints(o options) (endpoints []endpoint, closeBackends func(), err error) {
	document, err := parseDocument(openAPIDocument)
	if err != nil {
		return nil, nil, err
	}
	var closers []func() error
	closeBackends = func() {
		for _, c := range closers {
			_ = c()
		}
	}
	for _, part := range []struct {
		flag      string
		spec      faceSpec
		target    string
		addresses []string
	}{
		{"coordinator", coordinatorFace, o.coordinator, o.coordinatorListen},
		{"orders", ordersFace, o.orders, o.ordersListen},
		{"customers", customersFace, o.customers, o.customersListen},
	} {
		conn, err := dial(part.target)
		if err != nil {
			closeBackends()
			return nil, nil, fmt.Errorf("--%s=%s: %w", part.flag, part.target, err)
		}
		closers = append(closers, conn.Close)
		f, err := newFace(part.spec, conn, document, o.faults)
		if err != nil {
			closeBackends()
			return nil, nil, fmt.Errorf("%s: %w", part.spec.title, err)
		}
		endpoints = append(endpoints, endpoint{face: f, addresses: part.addresses})
	}
	return endpoints, closeBackends, nil
}

// listener is one open address of a face.
type listener struct {
	net.Listener
	face *face
}

func listen(ctx context.Context, endpoints []endpoint) ([]listener, error) {
	var listeners []listener
	var config net.ListenConfig
	for _, e := range endpoints {
		for _, address := range e.addresses {
			l, err := config.Listen(ctx, "tcp", address)
			if err != nil {
				for _, open := range listeners {
					_ = open.Close()
				}
				return nil, fmt.Errorf("cannot listen on %s for the %s: %w", address, e.face.title, err)
			}
			listeners = append(listeners, listener{Listener: l, face: e.face})
		}
	}
	if len(listeners) == 0 {
		return nil, errors.New("no address to listen on")
	}
	return listeners, nil
}

func serve(ctx context.Context, listeners []listener, grace time.Duration) error {
	servers := make([]*http.Server, len(listeners))
	failed := make(chan error, len(listeners))
	for i, l := range listeners {
		servers[i] = newHTTPServer(l.face)
		go func() {
			if err := servers[i].Serve(l.Listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serving %s: %w", l.Addr(), err)
			}
		}()
		slog.Info("serving", "api", l.face.title, "address", l.Addr().String())
	}

	var cause error
	select {
	case <-ctx.Done():
		slog.Info("stopping", "grace", grace)
	case cause = <-failed:
	}
	shutdown(servers, grace)
	return cause
}

func newHTTPServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytesMax,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
}

// shutdown takes no new request, waits at most grace for those under way, then cuts them off.
func shutdown(servers []*http.Server, grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range servers {
		wg.Go(func() {
			if err := s.Shutdown(ctx); err != nil {
				_ = s.Close()
			}
		})
	}
	wg.Wait()
}
