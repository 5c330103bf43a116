package main

import (
	"context"
	"database/sql"
	"time"

	"github.com/dtm-labs/dtm/client/dtmgrpc"
	"github.com/dtm-labs/dtm/client/dtmgrpc/dtmgimp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"sagamesh/bench/peers/dtm/gen"
)

// As in the table `orders`.
const (
	orderPending   = 2
	orderConfirmed = 3
	orderCancelled = 4
)

// orders asks customers first and writes its own row then, as Sagamesh's does.
type orders struct {
	gen.UnimplementedOrdersServer
	db        *sql.DB
	customers gen.CustomersClient
}

func serveOrders(listen, database string, connections int, customers string) error {
	db, err := openDatabase(database, connections)
	if err != nil {
		return err
	}
	connection, err := grpc.Dial(customers, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	return serve(listen, func(server *grpc.Server) {
		gen.RegisterOrdersServer(server, &orders{db: db, customers: gen.NewCustomersClient(connection)})
	})
}

func (o *orders) CreateOrder(ctx context.Context, purchase *gen.Purchase) (*emptypb.Empty, error) {
	if _, err := o.customers.ReserveStock(sameBranch(ctx), purchase); err != nil {
		return nil, err
	}
	lines, err := proto.Marshal(purchase)
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, once(ctx, o.db, func(tx *sql.Tx) error {
		return writeOne(tx, "INSERT INTO orders (order_id, customer_id, status, item_lines, total_cents, saga_id, created_ms) "+
			"VALUES (?, ?, ?, ?, ?, ?, ?)",
			purchase.OrderId, purchase.CustomerId, orderPending, lines, purchase.Quantity*purchase.UnitPriceCents,
			purchase.OrderId, time.Now().UnixMilli())
	})
}

func (o *orders) CancelOrder(ctx context.Context, purchase *gen.Purchase) (*emptypb.Empty, error) {
	if _, err := o.customers.ReleaseReservation(sameBranch(ctx), purchase); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, o.move(ctx, purchase, orderCancelled)
}

func (o *orders) ConfirmOrder(ctx context.Context, purchase *gen.Purchase) (*emptypb.Empty, error) {
	if _, err := o.customers.CommitReservation(sameBranch(ctx), purchase); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, o.move(ctx, purchase, orderConfirmed)
}

func (o *orders) move(ctx context.Context, purchase *gen.Purchase, to int) error {
	return once(ctx, o.db, func(tx *sql.Tx) error {
		return writeOne(tx, "UPDATE orders SET status = ? WHERE order_id = ? AND status = ?", to, purchase.OrderId,
			orderPending)
	})
}

// sameBranch is how customers learns which branch of which saga it works for.
func sameBranch(ctx context.Context) context.Context {
	barrier, err := dtmgrpc.BarrierFromGrpc(ctx)
	if err != nil {
		return ctx // customers refuses it
	}
	return dtmgimp.TransInfo2Ctx(ctx, barrier.Gid, barrier.TransType, barrier.BranchID, barrier.Op, "")
}
