// The gateway turns the documented JSON over HTTP into gRPC. It holds no business logic: http.yaml maps paths to
// methods, the services decide, and the gateway says how a reply looks in HTTP.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/resolver/dns"
)

// options are the command line.
type options struct {
	coordinator, orders, customers                   string   // gRPC targets
	coordinatorListen, ordersListen, customersListen []string // HTTP addresses
	faults                                           bool     // clients may inject faults
	grace                                            time.Duration
	check                                            bool // ask a running gateway instead of being one
}

func parseOptions(args []string, output io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&o.coordinator, "coordinator", "127.0.0.1:50051", "where the coordinator is: `HOST:PORT[,HOST:PORT...]`")
	flags.StringVar(&o.orders, "orders", "127.0.0.1:50052", "where orders is: `HOST:PORT[,HOST:PORT...]`")
	flags.StringVar(&o.customers, "customers", "127.0.0.1:50053", "where customers is: `HOST:PORT[,HOST:PORT...]`")
	coordinatorListen := flags.String("coordinator-listen", "127.0.0.1:3000",
		"`addresses` of the coordinator's REST API, separated by commas; empty: none")
	ordersListen := flags.String("orders-listen", "127.0.0.1:3002", "`addresses` of the REST API of orders")
	customersListen := flags.String("customers-listen", "127.0.0.1:3001,127.0.0.1:3003",
		"`addresses` of the REST API of customers")
	flags.BoolVar(&o.faults, "enable-fault-injection", false, "forward the x-envoy-fault-* and x-sagamesh-fault-* headers")
	flags.DurationVar(&o.grace, "grace", 10*time.Second, "how long requests under way may take after SIGTERM")
	flags.BoolVar(&o.check, "check", false, "ask /health of the addresses to listen on; exit with 1 if one is not well")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.grace < 0 {
		return o, errors.New("--grace must not be negative")
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	o.coordinatorListen = splitAddresses(*coordinatorListen)
	o.ordersListen = splitAddresses(*ordersListen)
	o.customersListen = splitAddresses(*customersListen)
	return o, nil
}

func splitAddresses(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func main() {
	options, err := parseOptions(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(2)
	}

	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	dns.SetMinResolutionInterval(lookupInterval)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	act := run
	if options.check {
		act = check
	}
	if err := act(ctx, options); err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}
