package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // what balanced asks for
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

const (
	// callTimeout bounds every call, whatever the client asks for.
	callTimeout = 30 * time.Second
	// replyBytesMax fits the longest page: 500 orders of 100 items.
	replyBytesMax = 32 << 20
	// lookupInterval is the least time after which a name is looked up again when a replica is lost: the next one has
	// another address. gRPC's own is 30 s.
	lookupInterval = time.Second
	// balanced takes the replicas that are SERVING in turn. The health is that of the server as a whole.
	balanced = `{"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}}`
)

// dial makes the channel to a service: to one address; to several, with commas between; or to a name, every address that
// it resolves to. It connects by itself, again and again; while it cannot, calls fail at once with UNAVAILABLE instead of
// waiting. A lone address is called whatever its health: its own answer says best what is wrong.
func dial(target string) (*grpc.ClientConn, error) {
	addresses, err := literalAddresses(target)
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
			},
			MinConnectTimeout: time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 10 * time.Second, Timeout: 3 * time.Second, PermitWithoutStream: true,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(replyBytesMax)),
		grpc.WithIdleTimeout(0),
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
	}
	if len(addresses) != 1 {
		options = append(options, grpc.WithDefaultServiceConfig(balanced))
	}
	if len(addresses) > 1 {
		list := manual.NewBuilderWithScheme("replicas")
		list.InitialState(resolver.State{Addresses: addresses})
		options = append(options, grpc.WithResolvers(list))
		target = list.Scheme() + ":///" + target
	}
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return nil, err
	}
	conn.Connect()
	go logConnection(conn)
	return conn, nil
}

// literalAddresses are those that a target consists of; none if it is a name. In a list there may be nothing else.
func literalAddresses(target string) ([]resolver.Address, error) {
	if target == "" {
		return nil, fmt.Errorf("no target")
	}
	var addresses []resolver.Address
	entries := strings.Split(target, ",")
	for _, entry := range entries {
		entry = strings.TrimSpace(entry)
		if _, err := netip.ParseAddrPort(entry); err == nil {
			addresses = append(addresses, resolver.Address{Addr: entry})
		} else if len(entries) > 1 {
			return nil, fmt.Errorf("%q in a list: it takes IP:PORT only; use one name that resolves to all of them", entry)
		}
	}
	return addresses, nil
}

// logConnection tells when a service is reached and when it is lost, until the channel is closed.
func logConnection(conn *grpc.ClientConn) {
	told := connectivity.Idle
	for state := conn.GetState(); state != connectivity.Shutdown; state = conn.GetState() {
		if state != told && state == connectivity.Ready {
			slog.Info("connected", "target", conn.Target())
			told = state
		}
		if state != told && state == connectivity.TransientFailure {
			slog.Warn("not connected, trying again", "target", conn.Target())
			told = state
		}
		if !conn.WaitForStateChange(context.Background(), state) {
			return
		}
	}
}
