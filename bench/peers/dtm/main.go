// Command bench_dtm is what DTM is measured with: the participants of an order saga of two steps, and a closed loop of
// callers who wait for their saga's end. bench/dtm.py runs it beside DTM's own server.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	flags := flag.NewFlagSet("bench_dtm", flag.ExitOnError)
	listen := flags.String("listen", "", "a participant's HOST:PORT")
	database := flags.String("db", "", "a participant's mysql://USER@HOST:PORT/DATABASE; its password is SAGAMESH_DB_PASSWORD")
	connections := flags.Int("connections", 128, "a participant's to its database, at most")
	customers := flags.String("customers", "", "HOST:PORT of customers, for orders")
	options := loadOptions{}
	flags.StringVar(&options.dtm, "dtm", "", "HOST:PORT of DTM's gRPC, for load")
	flags.StringVar(&options.orders, "orders", "", "HOST:PORT of orders, for load")
	flags.StringVar(&options.skuPrefix, "sku-prefix", "spread-", "how the products' names begin")
	flags.IntVar(&options.skus, "skus", 10_000, "how many products")
	flags.IntVar(&options.callers, "callers", 16, "sagas in flight")
	flags.DurationVar(&options.warmup, "warmup", 0, "how long to run before anything is counted")
	flags.DurationVar(&options.duration, "duration", 0, "how long to count")

	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: bench_dtm orders|customers|load FLAG..."))
	}
	_ = flags.Parse(os.Args[2:]) // exits by itself
	var err error
	switch role := os.Args[1]; role {
	case "orders":
		err = serveOrders(*listen, *database, *connections, *customers)
	case "customers":
		err = serveCustomers(*listen, *database, *connections)
	case "load":
		err = load(options)
	default:
		err = fmt.Errorf("no such role: %s", role)
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench_dtm:", err)
	os.Exit(1)
}
