package main

import (
	"context"
	"database/sql"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"sagamesh/bench/peers/dtm/gen"
)

// As in the table `reservations`.
const (
	reservationReserved  = 1
	reservationCommitted = 2
	reservationReleased  = 3
)

// customers moves stock, with a reservation and a ledger entry in the same transaction. A product's row is locked last,
// so that others wait for it no longer than the commit takes.
type customers struct {
	gen.UnimplementedCustomersServer
	db *sql.DB
}

func serveCustomers(listen, database string, connections int) error {
	db, err := openDatabase(database, connections)
	if err != nil {
		return err
	}
	return serve(listen, func(server *grpc.Server) { gen.RegisterCustomersServer(server, &customers{db: db}) })
}

// movement is what one unit of a purchase adds to a product's counts.
type movement struct {
	kind                      string
	available, reserved, sold int64
}

func (c *customers) ReserveStock(ctx context.Context, purchase *gen.Purchase) (*emptypb.Empty, error) {
	lines, err := proto.Marshal(purchase)
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, once(ctx, c.db, func(tx *sql.Tx) error {
		if err := writeOne(tx, "INSERT INTO reservations (order_id, owner, status, customer_id, item_lines, updated_ms) "+
			"VALUES (?, ?, ?, ?, ?, ?)",
			purchase.OrderId, purchase.OrderId, reservationReserved, purchase.CustomerId, lines,
			time.Now().UnixMilli()); err != nil {
			return err
		}
		return move(tx, purchase, movement{"reserve", -1, +1, 0})
	})
}

func (c *customers) ReleaseReservation(ctx context.Context, purchase *gen.Purchase) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, c.end(ctx, purchase, reservationReleased, movement{"release", +1, -1, 0})
}

func (c *customers) CommitReservation(ctx context.Context, purchase *gen.Purchase) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, c.end(ctx, purchase, reservationCommitted, movement{"commit", 0, -1, +1})
}

// end is how a reservation ends, either way.
func (c *customers) end(ctx context.Context, purchase *gen.Purchase, to int, by movement) error {
	return once(ctx, c.db, func(tx *sql.Tx) error {
		if err := writeOne(tx, "UPDATE reservations SET status = ?, updated_ms = ? WHERE order_id = ? AND status = ?",
			to, time.Now().UnixMilli(), purchase.OrderId, reservationReserved); err != nil {
			return err
		}
		return move(tx, purchase, by)
	})
}

func move(tx *sql.Tx, purchase *gen.Purchase, by movement) error {
	available, reserved, sold := by.available*purchase.Quantity, by.reserved*purchase.Quantity, by.sold*purchase.Quantity
	if err := writeOne(tx, "INSERT INTO movements (sku, movement_id, kind, order_id, available, reserved, sold, created_ms) "+
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		purchase.Sku, purchase.OrderId+"/"+by.kind, by.kind, purchase.OrderId, available, reserved, sold,
		time.Now().UnixMilli()); err != nil {
		return err
	}
	return writeOne(tx, "UPDATE products SET available = available + ?, reserved = reserved + ?, sold = sold + ? "+
		"WHERE sku = ? AND available + ? >= 0",
		available, reserved, sold, purchase.Sku, available)
}
