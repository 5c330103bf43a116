package main

import (
	"net/http"
	"strings"
	"testing"

	coordinatorv1 "sagamesh/gateway/gen/coordinator/v1"
)

const goodOrder = `{"customer_id":1,"items":[{"sku":"a","quantity":1}]}`

func TestBadBodiesAreRefusedWithTheFieldsName(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, false) + "/dev/orders/process"
	f.replies(&coordinatorv1.ProcessOrderResponse{})
	for _, c := range []struct {
		name, body string
		field      string // in the BadRequest detail
		message    string
	}{
		{"no body", "", "body", "no body"},
		{"blank body", " \n ", "body", "no body"},
		{"not JSON", "hello", "body", "invalid JSON at line 1, column 1"},
		{"null", "null", "body", "unexpected token null"},
		{"array", "[]", "body", "unexpected token ["},
		{"truncated", `{"customer_id":1,"items":[{"sku":"a"`, "items[0].sku", "items[0].sku: "},
		{"truncated key", `{"custom`, "custom", "invalid JSON"},
		{"trailing text", goodOrder + "x", "body", "invalid JSON"},
		{"second object", goodOrder + goodOrder, "body", "unexpected token {"},
		{"trailing comma", `{"customer_id":1,}`, "body", "invalid JSON"},
		{"unknown field", `{"customer_id":1,"coupon":"x"}`, "coupon", `coupon: unknown field "coupon"`},
		{"unknown nested field", `{"items":[{"sku":"a","quantity":1},{"sku":"b","amount":2}]}`, "items[1].amount",
			`items[1].amount: unknown field "amount"`},
		{"unknown field after newlines", "{\n  \"customer_id\": 1,\n  \"ñ\": \"ñ\", \"coupon\": 1}", "ñ",
			`unknown field "ñ"`},
		{"duplicate field", `{"customer_id":1,"customer_id":2}`, "customer_id", "duplicate field"},
		{"duplicate field in both spellings", `{"customer_id":1,"customerId":2}`, "customerId", "duplicate field"},
		{"text for a number", `{"customer_id":"abc"}`, "customer_id", `customer_id: invalid value for uint32: "abc"`},
		{"negative unsigned", `{"customer_id":-1}`, "customer_id", "customer_id: invalid value for uint32: -1"},
		{"fraction", `{"customer_id":1.5}`, "customer_id", "customer_id: "},
		{"1e400", `{"customer_id":1e400}`, "customer_id", "customer_id: "},
		{"1e400 nested", `{"items":[{"sku":"a","quantity":1e400}]}`, "items[0].quantity", "items[0].quantity: "},
		{"more than 32 bits", `{"items":[{"quantity":4294967296}]}`, "items[0].quantity",
			"items[0].quantity: invalid value for int32: 4294967296"},
		{"NaN", `{"customer_id":NaN}`, "customer_id", "customer_id: "},
		{"bool for a number", `{"customer_id":true}`, "customer_id", "customer_id: "},
		{"object for a number", `{"customer_id":{"a":1}}`, "customer_id", "customer_id: "},
		{"number for text", `{"items":[{"sku":5}]}`, "items[0].sku", "items[0].sku: invalid value for string: 5"},
		{"object for a list", `{"items":{"sku":"a"}}`, "items", "items: "},
		{"number in a list of objects", `{"items":[{"sku":"a"},7]}`, "items[1]", "items[1]: "},
		{"bad UTF-8", "{\"items\":[{\"sku\":\"a\xff\"}]}", "items[0].sku", "items[0].sku: "},
		{"bare NUL", "{\"items\":[{\"sku\":\"a\x00\"}]}", "items[0].sku", "items[0].sku: "},
		{"lone surrogate", `{"items":[{"sku":"\ud800"}]}`, "items[0].sku", "items[0].sku: "},
		{"half a pair", `{"items":[{"sku":"\\ud800"},{"sku":"\ud800\ud800"}]}`, "items[1].sku", "items[1].sku: "},
		{"broken escape", `{"items":[{"sku":"\ud83d\ude00"},{"sku":"\x"}]}`, "items[1].sku", "items[1].sku: "},
		{"byte order mark", "\xef\xbb\xbf" + goodOrder, "body", "invalid JSON"},
		{"deep nesting", strings.Repeat(`{"items":[`, 20000), "items[0].items", "items[0].items: unknown field"},
		{"long text for a number", `{"customer_id":"` + strings.Repeat("x", 5000) + `"}`, "customer_id", "..."},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := post(t, url, c.body, "Content-Type", "application/json")
			if got.status != http.StatusBadRequest || !strings.HasPrefix(got.body, `{"code":3,"message":`) {
				t.Errorf("got %d %s", got.status, got.body)
			}
			checkErrorBody(t, got, "INVALID_REQUEST")
			if !strings.Contains(got.body, `"field":"`+c.field+`"`) {
				t.Errorf("%s does not name the field %s", got.body, c.field)
			}
			if !strings.Contains(strings.ReplaceAll(got.body, `\"`, `"`), c.message) {
				t.Errorf("%s does not say %s", got.body, c.message)
			}
			if len(got.body) > 2000 {
				t.Errorf("an error of %d bytes", len(got.body))
			}
			f.noCall(t)
			for range 3 {
				if again := post(t, url, c.body, "Content-Type", "application/json"); again.body != got.body {
					t.Fatalf("another body the next time:\n%s\n%s", got.body, again.body)
				}
			}
		})
	}
}

func TestGoodBodiesAreTaken(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, false) + "/dev/orders/process"
	f.replies(&coordinatorv1.ProcessOrderResponse{})
	for _, c := range []struct{ body, contentType string }{
		{goodOrder, ""},
		{goodOrder, "application/json"},
		{goodOrder, "application/json; charset=UTF-8"},
		{"\n" + goodOrder + "\n", "Application/JSON"},
		{`{"customerId":"1","items":null}`, ""},
		{`{}`, ""},
	} {
		h := http.Header{}
		if c.contentType != "" {
			h.Set("Content-Type", c.contentType)
		}
		got := send(t, exchange{method: "POST", url: url, body: c.body, header: h})
		if got.status != http.StatusOK {
			t.Errorf("%s %s: %d %s", c.contentType, c.body, got.status, got.body)
		}
	}
}

func TestABodyMayHaveOneMebibyteAndNoMore(t *testing.T) {
	f := startFake(t)
	url := startFace(t, coordinatorFace, f.target, false) + "/dev/orders/process"
	f.replies(&coordinatorv1.ProcessOrderResponse{})

	padded := goodOrder + strings.Repeat(" ", bodyBytesMax-len(goodOrder))
	if got := post(t, url, padded); got.status != http.StatusOK {
		t.Errorf("1 MiB: %d %s", got.status, got.body)
	}
	f.onlyCall(t)

	for _, extra := range []int{1, 1 << 20, 6 << 20} {
		got := post(t, url, padded+strings.Repeat(" ", extra))
		if got.status != http.StatusRequestEntityTooLarge || !strings.HasPrefix(got.body, `{"code":3,"message":`) {
			t.Errorf("1 MiB and %d: %d %s", extra, got.status, got.body)
		}
		checkErrorBody(t, got, "BODY_TOO_LONG")
		f.noCall(t)
	}
}

func TestAMethodWithoutABodyRefusesOne(t *testing.T) {
	f := startFake(t)
	url := startFace(t, ordersFace, f.target, false)
	got := post(t, url+"/orders/o-1/confirm", `{"order_id":"o-2"}`, "Content-Type", "application/json")
	if got.status != http.StatusBadRequest || !strings.Contains(got.body, "takes no body") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	f.noCall(t)
}
