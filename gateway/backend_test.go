package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	ordersv1 "sagamesh/gateway/gen/orders/v1"
)

const (
	serving    = grpc_health_v1.HealthCheckResponse_SERVING
	notServing = grpc_health_v1.HealthCheckResponse_NOT_SERVING
)

// settled is how many requests in a row say that the channel has come to what a test waits for.
const settled = 20

// startReplicas starts fakes of orders that answer well, and a face in front of them; its base URL.
func startReplicas(t *testing.T, n int) (replicas []*fake, url string) {
	t.Helper()
	var targets []string
	for range n {
		f := startFake(t)
		f.replies(&ordersv1.ListOrdersResponse{})
		replicas = append(replicas, f)
		targets = append(targets, f.target)
	}
	return replicas, startFace(t, ordersFace, strings.Join(targets, ","), false)
}

// settlesOn sends requests until so many in a row were answered by these replicas and no others, each of them among them.
func settlesOn(t *testing.T, url string, replicas []*fake, wanted ...*fake) {
	t.Helper()
	for _, f := range replicas {
		f.seen()
	}
	counts := map[*fake]int{}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if got := get(t, url+"/orders"); got.status != http.StatusOK {
			t.Fatalf("a request failed: %d %s", got.status, got.body)
		}
		total := 0
		for _, f := range replicas {
			counts[f] += len(f.seen())
			total += counts[f]
		}
		of := 0
		all := true
		for _, f := range wanted {
			of += counts[f]
			all = all && counts[f] > 0
		}
		if of != total {
			counts = map[*fake]int{}
		} else if all && total >= settled {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the requests do not go to these %d replicas alone: %v", len(wanted), counts)
		}
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in time: " + what)
		}
	}
}

func TestRequestsGoToTheReplicasInTurn(t *testing.T) {
	replicas, url := startReplicas(t, 3)
	settlesOn(t, url, replicas, replicas...)
	for range 30 {
		get(t, url+"/orders")
	}
	for _, f := range replicas {
		if calls := len(f.seen()); calls != 10 {
			t.Errorf("a replica got %d of 30 requests", calls)
		}
	}
}

func TestAReplicaThatDoesNotServeIsLeftWithoutAFailedRequest(t *testing.T) {
	replicas, url := startReplicas(t, 2)
	settlesOn(t, url, replicas, replicas...)
	replicas[0].health.SetServingStatus("", notServing)
	settlesOn(t, url, replicas, replicas[1])
	if got := get(t, url+"/health"); got.status != http.StatusOK {
		t.Errorf("one replica serves, yet health is %d", got.status)
	}
	replicas[0].health.SetServingStatus("", serving)
	settlesOn(t, url, replicas, replicas...)
}

func TestWhereNoReplicaServesRequestsFailAtOnceAndHealthSaysSo(t *testing.T) {
	replicas, url := startReplicas(t, 2)
	settlesOn(t, url, replicas, replicas...)
	for _, f := range replicas {
		f.health.SetServingStatus("", notServing)
	}
	eventually(t, "503", func() bool { return get(t, url+"/orders").status == http.StatusServiceUnavailable })
	begin := time.Now()
	got := get(t, url+"/orders")
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "BACKEND_UNAVAILABLE") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := get(t, url+"/health"); got.status != http.StatusServiceUnavailable {
		t.Errorf("health is %d %s", got.status, got.body)
	}
	if time.Since(begin) > time.Second {
		t.Errorf("they took %v", time.Since(begin))
	}
}

func TestAReplicaThatStartsAgainIsTakenAgain(t *testing.T) {
	replicas, url := startReplicas(t, 2)
	settlesOn(t, url, replicas, replicas...)
	replicas[0].stop() // at once: a request that it has at this moment is lost
	inARow := 0
	eventually(t, "only good answers", func() bool {
		if inARow++; get(t, url+"/orders").status != http.StatusOK {
			inARow = 0
		}
		return inARow == settled
	})
	again := startFakeAt(t, replicas[0].target)
	again.replies(&ordersv1.ListOrdersResponse{})
	settlesOn(t, url, []*fake{again, replicas[1]}, again, replicas[1])
}

func TestANameIsAskedForItsHealthAndALoneAddressIsNot(t *testing.T) {
	f := startFake(t)
	f.replies(&ordersv1.ListOrdersResponse{})
	f.health.SetServingStatus("", notServing)
	if got := get(t, startFace(t, ordersFace, f.target, false)+"/orders"); got.status != http.StatusOK {
		t.Errorf("by its address: %d %s", got.status, got.body)
	}
	name := startFace(t, ordersFace, strings.Replace(f.target, "127.0.0.1", "localhost", 1), false)
	if got := get(t, name+"/orders"); got.status != http.StatusServiceUnavailable {
		t.Errorf("by its name: %d %s", got.status, got.body)
	}
	f.health.SetServingStatus("", serving)
	eventually(t, "200", func() bool { return get(t, name+"/orders").status == http.StatusOK })
}

func TestABadTargetIsRefusedWithItsFlag(t *testing.T) {
	for _, target := range []string{"", "127.0.0.1:1,", "127.0.0.1:1,127.0.0.1", "orders-1:1,orders-2:1"} {
		_, _, err := newEndpoints(options{coordinator: "127.0.0.1:1", orders: target, customers: "127.0.0.1:1"})
		if err == nil || !strings.Contains(err.Error(), "--orders="+target) {
			t.Errorf("%q: got %v", target, err)
		}
	}
}
