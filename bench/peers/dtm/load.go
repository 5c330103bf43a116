package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dtm-labs/dtm/client/dtmgrpc"
	"github.com/lithammer/shortuuid/v3"

	"sagamesh/bench/peers/dtm/gen"
)

type loadOptions struct {
	dtm, orders      string
	skuPrefix        string
	skus, callers    int
	warmup, duration time.Duration
}

// phase is what a caller's sagas count for.
type phase int32

const (
	warming phase = iota
	counting
	stopped
)

// caller submits one saga after the other.
type caller struct {
	latencies []time.Duration // of those that succeeded while it counted
	failed    int
	err       error // the first of all
}

func (c *caller) run(options loadOptions, now *atomic.Int32) {
	for phase(now.Load()) != stopped {
		began := time.Now()
		err := buy(options)
		if err != nil && c.err == nil {
			c.err = err
		}
		if phase(now.Load()) != counting {
			continue
		}
		if err != nil {
			c.failed++
		} else {
			c.latencies = append(c.latencies, time.Since(began))
		}
	}
}

// buy returns when the saga has ended; nil: both steps are done.
func buy(options loadOptions) error {
	gid := shortuuid.New() // as DTM makes them, without asking it first
	purchase := &gen.Purchase{
		OrderId:        gid,
		CustomerId:     1,
		Sku:            fmt.Sprint(options.skuPrefix, rand.IntN(options.skus)),
		Quantity:       1,
		UnitPriceCents: 1999,
	}
	saga := dtmgrpc.NewSagaGrpc(options.dtm, gid).
		Add(options.orders+gen.Orders_CreateOrder_FullMethodName, options.orders+gen.Orders_CancelOrder_FullMethodName, purchase).
		Add(options.orders+gen.Orders_ConfirmOrder_FullMethodName, "", purchase)
	saga.WaitResult = true
	return saga.Submit()
}

// load says "measuring" and "measured" when it begins and ends to count, and then "result" with a JSON object, as
// bench_load does.
func load(options loadOptions) error {
	var now atomic.Int32
	callers := make([]caller, options.callers)
	var running sync.WaitGroup
	for i := range callers {
		running.Go(func() { callers[i].run(options, &now) })
	}
	time.Sleep(options.warmup)

	fmt.Println("measuring")
	began, cpu := time.Now(), cpuTime()
	now.Store(int32(counting))
	time.Sleep(options.duration)
	now.Store(int32(stopped))
	wall, cpu := time.Since(began), cpuTime()-cpu
	fmt.Println("measured")
	running.Wait()
	return printResult(callers, wall, cpu)
}

func printResult(callers []caller, wall, cpu time.Duration) error {
	var latencies []time.Duration
	var failed int
	var err error
	for _, caller := range callers {
		latencies = append(latencies, caller.latencies...)
		failed += caller.failed
		if err == nil {
			err = caller.err
		}
	}
	slices.Sort(latencies)
	percentile := func(share float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		return latencies[min(int(share*float64(len(latencies))), len(latencies)-1)].Seconds() * 1000
	}
	result, _ := json.Marshal(map[string]any{
		"sagas": len(latencies), "failed": failed, "seconds": wall.Seconds(), "driver_cpu_seconds": cpu.Seconds(),
		"sagas_per_second": float64(len(latencies)) / wall.Seconds(), "p50_ms": percentile(0.5), "p90_ms": percentile(0.9),
		"p99_ms": percentile(0.99), "p999_ms": percentile(0.999), "max_ms": percentile(1),
	})
	fmt.Println("result", string(result))
	return err
}

// cpuTime is the user and system time of this process.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // cannot fail
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
