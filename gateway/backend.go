package main

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	// callTimeout bounds every call, whatever the client asks for.
	callTimeout = 30 * time.Second
	// replyBytesMax fits the longest page: 500 orders of 100 items.
	replyBytesMax = 32 << 20
)

// dial makes the channel to a service. It connects by itself, again and again; while it cannot, calls fail at once with
// UNAVAILABLE instead of waiting.
func dial(target string) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
			},
			MinConnectTimeout: time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 20 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(replyBytesMax)),
		grpc.WithIdleTimeout(0),
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
	)
	if err != nil {
		return nil, err
	}
	conn.Connect()
	go logConnection(conn)
	return conn, nil
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
