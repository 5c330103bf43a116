package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	ordersv1 "sagamesh/gateway/gen/orders/v1"
)

func TestTheDocumentedPortsAreTheDefaults(t *testing.T) {
	o, err := parseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Concat(o.coordinatorListen, o.ordersListen, o.customersListen)
	want := []string{"127.0.0.1:3000", "127.0.0.1:3002", "127.0.0.1:3001", "127.0.0.1:3003"}
	if !slices.Equal(got, want) || o.faults || o.grace != 10*time.Second {
		t.Errorf("got %q, faults %v, grace %v", got, o.faults, o.grace)
	}
}

func TestABadCommandLineIsRefused(t *testing.T) {
	for _, args := range [][]string{{"--nonsense"}, {"extra"}, {"--grace=x"}, {"--grace=-1s"}} {
		var output bytes.Buffer
		if _, err := parseOptions(args, &output); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	err = run(t.Context(), options{
		coordinator: "127.0.0.1:1", orders: "127.0.0.1:1", customers: "127.0.0.1:1",
		coordinatorListen: []string{"127.0.0.1:0"}, ordersListen: []string{address},
	})
	if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "Orders API") {
		t.Errorf("got %v", err)
	}
}

// serveOrders serves the orders face alone until stop; served has what serve returned.
func serveOrders(t *testing.T, target string, grace time.Duration) (address string, stop func(), served chan error) {
	t.Helper()
	endpoints, closeBackends, err := newEndpoints(options{
		coordinator: target, orders: target, customers: target, ordersListen: []string{"127.0.0.1:0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeBackends)
	ctx, stop := context.WithCancel(t.Context())
	listeners, err := listen(ctx, endpoints)
	if err != nil {
		t.Fatal(err)
	}
	served = make(chan error, 1)
	go func() { served <- serve(ctx, listeners, grace) }()
	return listeners[0].Addr().String(), stop, served
}

// holdsCalls makes the fake answer its call only when release is closed, having closed entered.
func (f *fake) holdsCalls() (entered, release chan struct{}) {
	entered, release = make(chan struct{}), make(chan struct{})
	f.does(func(call) (proto.Message, error) {
		close(entered)
		<-release
		return &ordersv1.ListOrdersResponse{}, nil
	})
	return entered, release
}

func TestShutdownLetsRequestsUnderWayFinish(t *testing.T) {
	f := startFake(t)
	entered, release := f.holdsCalls()
	address, stop, served := serveOrders(t, f.target, 10*time.Second)
	replied := make(chan int, 1)
	go func() {
		reply, err := http.Get("http://" + address + "/orders")
		if err != nil {
			replied <- 0
			return
		}
		defer reply.Body.Close()
		replied <- reply.StatusCode
	}()
	<-entered
	stop()
	for { // until it takes no new connection
		c, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		_ = c.Close()
		time.Sleep(time.Millisecond)
	}
	close(release)
	if status := <-replied; status != http.StatusOK {
		t.Errorf("got %d", status)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestShutdownCutsOffWhatOutlastsTheGracePeriod(t *testing.T) {
	f := startFake(t)
	entered, release := f.holdsCalls()
	defer close(release)
	address, stop, served := serveOrders(t, f.target, 50*time.Millisecond)
	go func() {
		reply, err := http.Get("http://" + address + "/orders")
		if err == nil {
			_ = reply.Body.Close()
		}
	}()
	<-entered
	stop()
	select {
	case <-served:
	case <-time.After(5 * time.Second):
		t.Error("still serving")
	}
}
