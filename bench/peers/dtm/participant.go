package main

import (
	"context"
	"database/sql"
	"net"
	"os"
	"strings"

	"github.com/dtm-labs/dtm/client/dtmcli"
	"github.com/dtm-labs/dtm/client/dtmgrpc"
	"github.com/go-sql-driver/mysql"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// openDatabase opens mysql://USER@HOST:PORT/DATABASE, as DTM opens its own: statements go out whole, in one round trip each.
func openDatabase(name string, connections int) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.Net = "tcp"
	config.User, name, _ = strings.Cut(strings.TrimPrefix(name, "mysql://"), "@")
	config.Addr, config.DBName, _ = strings.Cut(name, "/")
	config.Passwd = os.Getenv("SAGAMESH_DB_PASSWORD")
	config.InterpolateParams = true
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// serve answers on `listen` what `register` registers, until the process is ended.
func serve(listen string, register func(*grpc.Server)) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	register(server)
	return server.Serve(listener)
}

// once makes `change` in one transaction with DTM's barrier row: a call that comes again changes nothing, nor does a
// compensation without its action, nor an action after its compensation.
func once(ctx context.Context, db *sql.DB, change func(*sql.Tx) error) error {
	barrier, err := dtmgrpc.BarrierFromGrpc(ctx)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	barrier.DBType = dtmcli.DBTypeMysql
	barrier.BarrierTableName = "barrier" // of the participant's own database
	return barrier.CallWithDB(db, change)
}

// writeOne executes what must change a row, and is refused for good if there is none.
func writeOne(tx *sql.Tx, statement string, values ...any) error {
	result, err := tx.Exec(statement, values...)
	if err != nil {
		return err
	}
	if rows, err := result.RowsAffected(); err != nil || rows == 1 {
		return err
	}
	return status.Error(codes.Aborted, "refused") // what DTM takes as the branch's failure
}
