package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	coordinatorv1 "sagamesh/gateway/gen/coordinator/v1"
	customersv1 "sagamesh/gateway/gen/customers/v1"
	ordersv1 "sagamesh/gateway/gen/orders/v1"
	sagav1 "sagamesh/gateway/gen/saga/v1"
)

func TestEveryPathCallsItsMethod(t *testing.T) {
	f := startFake(t)
	coordinator := startFace(t, coordinatorFace, f.target, false)
	orders := startFace(t, ordersFace, f.target, false)
	customers := startFace(t, customersFace, f.target, false)

	order := &ordersv1.Order{OrderId: "o-1", CustomerId: 1, Status: ordersv1.Order_CREATED,
		Items:      []*ordersv1.Order_Item{{Sku: "a", Quantity: 2, UnitPriceCents: 150}},
		TotalCents: 300, CreatedAt: &timestamppb.Timestamp{Seconds: 1}}
	const orderJSON = `{"order_id":"o-1","customer_id":1,"status":"CREATED","items":[{"sku":"a","quantity":2,` +
		`"unit_price_cents":"150"}],"total_cents":"300","saga_id":"","created_at":"1970-01-01T00:00:01Z"}`
	customer := &customersv1.Customer{CustomerId: 7, Name: "Ana"}
	const customerJSON = `{"customer_id":7,"name":"Ana","email":""}`
	product := &customersv1.Product{Sku: "a", Name: "A", PriceCents: 5, Available: 3}
	const productJSON = `{"sku":"a","name":"A","price_cents":"5","available":3,"reserved":0,"sold":0}`

	for _, c := range []struct {
		method, url, body string
		rpc               string
		request, reply    proto.Message
		json              string
	}{
		{"POST", coordinator + "/dev/orders/process", `{"customer_id": 1, "items": [{"sku": "a", "quantity": 1}]}`,
			"/coordinator.v1.CoordinatorService/ProcessOrder",
			&coordinatorv1.ProcessOrderRequest{CustomerId: 1,
				Items: []*coordinatorv1.ProcessOrderRequest_Item{{Sku: "a", Quantity: 1}}},
			&coordinatorv1.ProcessOrderResponse{OrderId: "o-1", SagaId: "s-1",
				Status: coordinatorv1.ProcessOrderResponse_CONFIRMED, CustomerId: 1,
				Items:      []*coordinatorv1.ProcessOrderResponse_Item{{Sku: "a", Quantity: 1, UnitPriceCents: 5}},
				TotalCents: 5},
			`{"order_id":"o-1","saga_id":"s-1","status":"CONFIRMED","customer_id":1,` +
				`"items":[{"sku":"a","quantity":1,"unit_price_cents":"5"}],"total_cents":"5"}`},
		{"GET", coordinator + "/v1/sagas?idempotency_key=k+1&state=COMPENSATING&stuck=true&page_size=2", "",
			"/saga.v1.SagaService/ListSagas",
			&sagav1.ListSagasRequest{IdempotencyKey: "k 1", State: sagav1.Saga_COMPENSATING, Stuck: true, PageSize: 2},
			&sagav1.ListSagasResponse{}, `{"sagas":[],"next_page_token":""}`},
		{"GET", coordinator + "/v1/sagas/s-1", "", "/saga.v1.SagaService/GetSaga",
			&sagav1.GetSagaRequest{SagaId: "s-1"},
			&sagav1.GetSagaResponse{Saga: &sagav1.Saga{SagaId: "s-1", State: sagav1.Saga_RUNNING}},
			`{"saga_id":"s-1","definition":"","definition_version":0,"state":"RUNNING","idempotency_key":"",` +
				`"input":null,"result":null,"error":null,"failed_step":"","park_reason":"","compensation_attempts":0,` +
				`"stuck":false,"owner":"","epoch":"0","version":"0","created_at":null,"updated_at":null,` +
				`"history":[],"history_dropped":0}`},
		{"POST", coordinator + "/v1/sagas/s-1:retry", `{"reason":"orders is back"}`, "/saga.v1.SagaService/RetrySaga",
			&sagav1.RetrySagaRequest{SagaId: "s-1", Reason: "orders is back"},
			&sagav1.RetrySagaResponse{Saga: &sagav1.Saga{SagaId: "s-1", History: []*sagav1.HistoryEntry{{
				Time: &timestamppb.Timestamp{Seconds: 1}, Event: sagav1.HistoryEntry_RETRY_SAGA, Reason: "orders is back",
				StateBefore: sagav1.Saga_PARKED, StateAfter: sagav1.Saga_RUNNING}}}},
			`{"saga_id":"s-1","definition":"","definition_version":0,"state":"STATE_UNSPECIFIED","idempotency_key":"",` +
				`"input":null,"result":null,"error":null,"failed_step":"","park_reason":"","compensation_attempts":0,` +
				`"stuck":false,"owner":"","epoch":"0","version":"0","created_at":null,"updated_at":null,` +
				`"history":[{"time":"1970-01-01T00:00:01Z","event":"RETRY_SAGA","reason":"orders is back","principal":"",` +
				`"state_before":"PARKED","state_after":"RUNNING"}],"history_dropped":0}`},
		{"POST", coordinator + "/v1/sagas/s-1:compensate", `{"saga_id":"another","reason":"wrong price"}`,
			"/saga.v1.SagaService/CompensateSaga",
			&sagav1.CompensateSagaRequest{SagaId: "s-1", Reason: "wrong price"},
			&sagav1.CompensateSagaResponse{Saga: &sagav1.Saga{}}, `{"saga_id":"","definition":"","definition_version":0,` +
				`"state":"STATE_UNSPECIFIED","idempotency_key":"","input":null,"result":null,"error":null,"failed_step":"",` +
				`"park_reason":"","compensation_attempts":0,"stuck":false,"owner":"","epoch":"0","version":"0",` +
				`"created_at":null,"updated_at":null,"history":[],"history_dropped":0}`},

		{"POST", orders + "/orders", `{"customer_id":1,"items":[{"sku":"a","quantity":2}]}`,
			"/orders.v1.OrdersService/CreateOrder",
			&ordersv1.CreateOrderRequest{CustomerId: 1, Items: []*ordersv1.CreateOrderRequest_Item{{Sku: "a", Quantity: 2}}},
			&ordersv1.CreateOrderResponse{Order: order}, orderJSON},
		{"GET", orders + "/orders?customer_id=1&status=CONFIRMED&page_token=t", "", "/orders.v1.OrdersService/ListOrders",
			&ordersv1.ListOrdersRequest{CustomerId: 1, Status: ordersv1.Order_CONFIRMED, PageToken: "t"},
			&ordersv1.ListOrdersResponse{NextPageToken: "n"}, `{"orders":[],"next_page_token":"n"}`},
		{"GET", orders + "/orders/o-1", "", "/orders.v1.OrdersService/GetOrder",
			&ordersv1.GetOrderRequest{OrderId: "o-1"}, &ordersv1.GetOrderResponse{Order: order}, orderJSON},
		{"POST", orders + "/orders/o-1/confirm", "", "/orders.v1.OrdersService/ConfirmOrder",
			&ordersv1.ConfirmOrderRequest{OrderId: "o-1"}, &ordersv1.ConfirmOrderResponse{Order: order}, orderJSON},
		{"POST", orders + "/orders/o-1/cancel", " { } ", "/orders.v1.OrdersService/CancelOrder",
			&ordersv1.CancelOrderRequest{OrderId: "o-1"}, &ordersv1.CancelOrderResponse{Order: order}, orderJSON},

		{"POST", customers + "/customers", `{"name":"Ana"}`, "/customers.v1.CustomersService/CreateCustomer",
			&customersv1.CreateCustomerRequest{Name: "Ana"},
			&customersv1.CreateCustomerResponse{Customer: customer}, customerJSON},
		{"GET", customers + "/customers?page_size=1", "", "/customers.v1.CustomersService/ListCustomers",
			&customersv1.ListCustomersRequest{PageSize: 1},
			&customersv1.ListCustomersResponse{Customers: []*customersv1.Customer{customer}},
			`{"customers":[` + customerJSON + `],"next_page_token":""}`},
		{"GET", customers + "/customers/7", "", "/customers.v1.CustomersService/GetCustomer",
			&customersv1.GetCustomerRequest{CustomerId: 7},
			&customersv1.GetCustomerResponse{Customer: customer}, customerJSON},
		{"POST", customers + "/products", `{"sku":"a","name":"A","price_cents":"5","available":3}`,
			"/customers.v1.StockService/CreateProduct",
			&customersv1.CreateProductRequest{Sku: "a", Name: "A", PriceCents: 5, Available: 3},
			&customersv1.CreateProductResponse{Product: product}, productJSON},
		{"GET", customers + "/products", "", "/customers.v1.StockService/ListProducts",
			&customersv1.ListProductsRequest{},
			&customersv1.ListProductsResponse{Products: []*customersv1.Product{product}},
			`{"products":[` + productJSON + `],"next_page_token":""}`},
		{"GET", customers + "/products/a", "", "/customers.v1.StockService/GetProduct",
			&customersv1.GetProductRequest{Sku: "a"}, &customersv1.GetProductResponse{Product: product}, productJSON},
		{"POST", customers + "/products/a/restock", `{"quantity":4}`, "/customers.v1.StockService/Restock",
			&customersv1.RestockRequest{Sku: "a", Quantity: 4}, &customersv1.RestockResponse{Product: product}, productJSON},
	} {
		t.Run(c.method+" "+c.rpc, func(t *testing.T) {
			f.replies(c.reply)
			got := send(t, exchange{method: c.method, url: c.url, body: c.body})
			if got.status != http.StatusOK || got.body != c.json {
				t.Errorf("got %d %s\nwant %s", got.status, got.body, c.json)
			}
			if ct := got.header.Get("Content-Type"); ct != "application/json" {
				t.Errorf("Content-Type %q", ct)
			}
			call := f.onlyCall(t)
			if call.method != c.rpc || !proto.Equal(call.request, c.request) {
				t.Errorf("called %s with %v, want %s with %v", call.method, call.request, c.rpc, c.request)
			}
		})
	}
}

func TestPathVariablesAreUnescapedOnce(t *testing.T) {
	f := startFake(t)
	url := startFace(t, customersFace, f.target, false)
	f.replies(&customersv1.GetProductResponse{})
	for path, sku := range map[string]string{
		"a%2Fb":       "a/b",
		"a%2fb%20c":   "a/b c",
		"a%20b":       "a b",
		"100%25":      "100%",
		"%2541":       "%41",
		"a%2F%2541":   "a/%41",
		"a:b":         "a:b",
		"a+b&c=d;e":   "a+b&c=d;e",
		"%C3%B1":      "ñ",
		"a%3Fb%23c":   "a?b#c",
		"..":          "..",
		"a%00b":       "a\x00b",
		"x%2Frestock": "x/restock",
	} {
		got := get(t, url+"/products/"+path)
		if got.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, got.status, got.body)
			continue
		}
		if request := f.onlyCall(t).request.(*customersv1.GetProductRequest); request.GetSku() != sku {
			t.Errorf("%s: sku %q, want %q", path, request.GetSku(), sku)
		}
	}

	f.replies(&customersv1.RestockResponse{})
	if got := post(t, url+"/products/a%2Fb%20c/restock", `{"sku":"other","quantity":1}`); got.status != http.StatusOK {
		t.Fatalf("restock: %d %s", got.status, got.body)
	}
	if request := f.onlyCall(t).request.(*customersv1.RestockRequest); request.GetSku() != "a/b c" {
		t.Errorf("restock: sku %q", request.GetSku())
	}
}

func TestAVerbIsNoPartOfTheVariableBeforeIt(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, false)
	f.replies(&sagav1.RetrySagaResponse{})
	got := post(t, url+"/v1/sagas/a:b%3Aretry:retry", `{}`)
	if request, ok := f.onlyCall(t).request.(*sagav1.RetrySagaRequest); !ok || request.GetSagaId() != "a:b:retry" {
		t.Errorf("got %d %s, called with %v", got.status, got.body, request)
	}
	f.replies(&sagav1.GetSagaResponse{})
	got = get(t, url+"/v1/sagas/a:another")
	if request, ok := f.onlyCall(t).request.(*sagav1.GetSagaRequest); !ok || request.GetSagaId() != "a:another" {
		t.Errorf("got %d %s, called with %v", got.status, got.body, request)
	}
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/v1/sagas/a:retry", 405, "POST"},
		{"POST", "/v1/sagas/a:another", 405, "GET, HEAD"},
		{"POST", "/v1/sagas/a", 405, "GET, HEAD"},
		{"POST", "/v1/sagas/a%3Aretry", 405, "GET, HEAD"},
		{"POST", "/v1/sagas/:retry", 405, "GET, HEAD"},
		{"POST", "/v1/sagas/a:retry/b", 404, ""},
	} {
		got := send(t, exchange{method: c.method, url: url + c.path, body: "{}"})
		if got.status != c.status || got.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: got %d, Allow %q: %s", c.method, c.path, got.status, got.header.Get("Allow"), got.body)
		}
		f.noCall(t)
	}
}

func TestRoutingErrorsHaveTheErrorBody(t *testing.T) {
	f := startFake(t)
	url := startFace(t, ordersFace, f.target, false)
	for _, c := range []struct {
		method, path, body, contentType string
		status                          int
		allow, reason                   string
	}{
		{"GET", "/", "", "", 404, "", "PATH_NOT_FOUND"},
		{"GET", "/nothing", "", "", 404, "", "PATH_NOT_FOUND"},
		{"GET", "/products", "", "", 404, "", "PATH_NOT_FOUND"},
		{"GET", "/orders/", "", "", 404, "", "PATH_NOT_FOUND"},
		{"POST", "/orders//confirm", "", "", 404, "", "PATH_NOT_FOUND"},
		{"DELETE", "/orders/o-1", "", "", 405, "GET, HEAD", "METHOD_NOT_ALLOWED"},
		{"PATCH", "/orders", "", "", 405, "GET, HEAD, POST", "METHOD_NOT_ALLOWED"},
		{"GET", "/orders/o-1/confirm", "", "", 405, "POST", "METHOD_NOT_ALLOWED"},
		{"POST", "/health", "", "", 405, "GET, HEAD", "METHOD_NOT_ALLOWED"},
		{"POST", "/openapi.json", "{}", "", 405, "GET, HEAD", "METHOD_NOT_ALLOWED"},
		{"POST", "/orders", "{}", "text/plain", 415, "", "UNSUPPORTED_MEDIA_TYPE"},
		{"POST", "/orders", "{}", "application/x-www-form-urlencoded", 415, "", "UNSUPPORTED_MEDIA_TYPE"},
		{"POST", "/orders", "{}", "application/json; charset=latin1", 415, "", "UNSUPPORTED_MEDIA_TYPE"},
		{"POST", "/orders/o-1/confirm", "a=b", "application/x-www-form-urlencoded", 415, "", "UNSUPPORTED_MEDIA_TYPE"},
		{"GET", "/orders?custommer_id=1", "", "", 400, "", "INVALID_REQUEST"},
		{"GET", "/orders?customer_id=x", "", "", 400, "", "INVALID_REQUEST"},
		{"GET", "/orders?customer_id=1&customer_id=2", "", "", 400, "", "INVALID_REQUEST"},
		{"GET", "/orders?status=WRONG", "", "", 400, "", "INVALID_REQUEST"},
		{"GET", "/orders?page_token=%ff", "", "", 400, "", "INVALID_REQUEST"},
		{"GET", "/orders?page_token=%zz", "", "", 400, "", "INVALID_REQUEST"},
		{"GET", "/orders/%ff", "", "", 400, "", "INVALID_REQUEST"},
		{"POST", "/orders?page_size=1", "{}", "", 400, "", "INVALID_REQUEST"},
	} {
		t.Run(c.method+" "+c.path+" "+c.contentType, func(t *testing.T) {
			h := http.Header{}
			if c.contentType != "" {
				h.Set("Content-Type", c.contentType)
			}
			got := send(t, exchange{method: c.method, url: url + c.path, body: c.body, header: h})
			if got.status != c.status || got.header.Get("Allow") != c.allow {
				t.Errorf("got %d, Allow %q: %s", got.status, got.header.Get("Allow"), got.body)
			}
			checkErrorBody(t, got, c.reason)
			f.noCall(t)
		})
	}
}

func TestAParameterThatIsNoneOfItsTypeIsNamedInOurWords(t *testing.T) {
	f := startFake(t)
	url := startFace(t, ordersFace, f.target, false)
	customers := startFace(t, customersFace, f.target, false)
	coordinator := startFace(t, coordinatorFace, f.target, false)
	long := strings.Repeat("x", 5_000)
	for _, c := range []struct{ url, field, message string }{
		{url + "/orders?customer_id=x", "customer_id", "customer_id: must be a whole number from 0 on"},
		{url + "/orders?page_size=1.5", "page_size", "page_size: must be a whole number"},
		{url + "/orders?page_size=" + long, "page_size", "page_size: must be a whole number"},
		{url + "/orders?customer_id=-1", "customer_id", "customer_id: must be a whole number from 0 on"},
		{url + "/orders?customer_id=4294967296", "customer_id", "customer_id: is out of range"},
		{url + "/orders?customer_id=1&customer_id=2", "customer_id", "customer_id: is given more than once"},
		{url + "/orders?status=WRONG", "status", `status: \"WRONG\" is not a valid value`},
		{customers + "/customers/abc", "customer_id", "customer_id: must be a whole number from 0 on"},
		{coordinator + "/v1/sagas?stuck=perhaps", "stuck", "stuck: must be true or false"},
		{url + "/orders?status=strconv.ParseBool", "status", `status: \"strconv.ParseBool\" is not a valid value`},
		{url + "/orders?custommer_id=1", "custommer_id", `unknown query parameter \"custommer_id\"`},
	} {
		got := get(t, c.url)
		checkErrorBody(t, got, "INVALID_REQUEST")
		violation := `{"field":"` + c.field + `","description":"` + c.message
		if got.status != 400 || !strings.Contains(got.body, `"message":"`+c.message) || !strings.Contains(got.body, violation) {
			t.Errorf("%.100s: got %d %s", c.url, got.status, got.body)
		}
		f.noCall(t)
	}
	for _, path := range []string{"/orders?status=" + long, "/orders?" + long + "=1", "/orders?status=A&status=" + long,
		"/orders?page_token=%zz" + long, "/" + long} {
		if got := get(t, url+path); len(got.body) > 1_500 {
			t.Errorf("%.30s: a body of %d bytes repeats what was sent", path, len(got.body))
		}
	}
	if got := post(t, url+"/orders", "{}", "Content-Type", long); got.status != 415 || len(got.body) > 1_500 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// checkErrorBody tells whether a body has exactly the three documented members, compact, and one ErrorInfo.
func checkErrorBody(t *testing.T, got answer, reason string) {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(got.body), &members); err != nil {
		t.Fatalf("body %q: %v", got.body, err)
	}
	if len(members) != 3 || members["code"] == nil || members["message"] == nil || members["details"] == nil {
		t.Errorf("body %s", got.body)
	}
	info := `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"` + reason + `"`
	if strings.Count(got.body, info) != 1 {
		t.Errorf("body %s has no %s", got.body, info)
	}
}

func TestAHeadRequestIsAnsweredLikeGet(t *testing.T) {
	f := startFake(t)
	url := startFace(t, ordersFace, f.target, false)
	f.replies(&ordersv1.ListOrdersResponse{})
	got := send(t, exchange{method: http.MethodHead, url: url + "/orders"})
	if got.status != http.StatusOK || got.body != "" || f.onlyCall(t).method != "/orders.v1.OrdersService/ListOrders" {
		t.Errorf("got %d %q", got.status, got.body)
	}
}

func TestAnAnyOfAnUnknownTypeIsShownAsItsBytes(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, false)
	known, err := anypb.New(&coordinatorv1.ProcessOrderRequest{CustomerId: 1})
	if err != nil {
		t.Fatal(err)
	}
	f.replies(&sagav1.GetSagaResponse{Saga: &sagav1.Saga{
		Input:  &anypb.Any{TypeUrl: "type.googleapis.com/travel.v1.BookRequest", Value: []byte{8, 1}},
		Result: known,
	}})
	got := get(t, url+"/v1/sagas/s-1")
	for _, want := range []string{
		`"input":{"@type":"type.googleapis.com/travel.v1.BookRequest","value":"CAE="}`,
		`"result":{"@type":"type.googleapis.com/coordinator.v1.ProcessOrderRequest","customer_id":1,"items":[]}`,
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("%d %s has no %s", got.status, got.body, want)
		}
	}
}

func TestTheDocumentListsEveryPathWithItsErrorShape(t *testing.T) {
	f := startFake(t)
	got := get(t, startFace(t, ordersFace, f.target, false)+"/openapi.json")
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d", got.status)
	}
	var d struct {
		Swagger string
		Paths   map[string]map[string]struct {
			Responses map[string]struct {
				Schema map[string]any
			}
		}
		Definitions map[string]struct {
			Properties map[string]any
		}
	}
	if err := json.Unmarshal([]byte(got.body), &d); err != nil {
		t.Fatal(err)
	}
	if d.Swagger != "2.0" {
		t.Errorf("swagger %q", d.Swagger)
	}
	var paths []string
	for path, operations := range d.Paths {
		for method, operation := range operations {
			paths = append(paths, strings.ToUpper(method)+" "+path)
			ref, _ := operation.Responses["default"].Schema["$ref"].(string)
			shape := d.Definitions[strings.TrimPrefix(ref, "#/definitions/")].Properties
			if len(shape) != 3 || shape["code"] == nil || shape["message"] == nil || shape["details"] == nil {
				t.Errorf("%s %s: error shape %q %v", method, path, ref, shape)
			}
		}
	}
	slices.Sort(paths)
	want := []string{
		"GET /customers", "GET /customers/{customer_id}", "GET /orders", "GET /orders/{order_id}", "GET /products",
		"GET /products/{sku}", "GET /v1/sagas", "GET /v1/sagas/{saga_id}", "POST /customers", "POST /dev/orders/process",
		"POST /orders", "POST /orders/{order_id}/cancel", "POST /orders/{order_id}/confirm", "POST /products",
		"POST /products/{sku}/restock", "POST /v1/sagas/{saga_id}:compensate", "POST /v1/sagas/{saga_id}:retry",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("paths %q\nwant %q", paths, want)
	}
}
