package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

const (
	// headerValueMax is the most characters that a forwarded header may have.
	headerValueMax = 255
	// traceMax is the most characters that each header of a trace may have: as many as the services take. W3C asks that
	// at least so many of a tracestate be passed on; a longer one must break no call.
	traceMax = 512
)

// faultHeaders are forwarded only where fault injection is enabled.
var faultHeaders = []string{
	"x-envoy-fault-abort-grpc-request",
	"x-envoy-fault-delay-request",
	"x-sagamesh-fault-method",
	"x-sagamesh-fault-phase",
}

// W3C trace context: a header that does not look like this is ignored.
var traceparentPattern = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?$`)

// readHeaders makes the metadata of a call from the client's headers: only those named here go on. Errors: 400, naming
// the header.
func readHeaders(header http.Header, faults bool) (metadata.MD, error) {
	md := metadata.MD{}
	key, err := readIdempotencyKey(header)
	if err != nil {
		return nil, err
	}
	if key != "" {
		md.Set("idempotency-key", key)
	}
	if err := readFaults(header, faults, md); err != nil {
		return nil, err
	}
	readTraceContext(header, md)
	return md, nil
}

// readIdempotencyKey takes the key from either of its two headers; "" if there is none.
func readIdempotencyKey(header http.Header) (string, error) {
	var found string
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		for _, value := range header.Values(name) {
			if err := checkHeaderValue(name, value); err != nil {
				return "", err
			}
			if found != "" && found != value {
				return "", badRequest(name, "Idempotency-Key and X-Idempotency-Key carry more than one key")
			}
			found = value
		}
	}
	return found, nil
}

func readFaults(header http.Header, faults bool, md metadata.MD) error {
	for _, name := range faultHeaders {
		values := header.Values(name)
		if len(values) == 0 {
			continue
		}
		if !faults {
			return faultInjectionDisabled(name)
		}
		if len(values) > 1 {
			return badRequest(name, "header "+name+" is given more than once")
		}
		if err := checkHeaderValue(name, values[0]); err != nil {
			return err
		}
		md.Set(name, values[0])
	}
	return nil
}

func readTraceContext(header http.Header, md metadata.MD) {
	parents := header.Values("traceparent")
	if len(parents) != 1 || len(parents[0]) > traceMax || !traceparentPattern.MatchString(parents[0]) {
		return
	}
	md.Set("traceparent", parents[0])
	if state := strings.Join(header.Values("tracestate"), ","); state != "" && len(state) <= traceMax && isPrintable(state) {
		md.Set("tracestate", state)
	}
}

func checkHeaderValue(name, value string) error {
	switch {
	case value == "":
		return badRequest(name, "header "+name+" is empty")
	case len(value) > headerValueMax:
		return badRequest(name, fmt.Sprintf("header %s has more than %d characters", name, headerValueMax))
	case !isPrintable(value):
		return badRequest(name, "header "+name+" has characters that are not printable ASCII")
	}
	return nil
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

type callMetadataKey struct{}

func withCallMetadata(ctx context.Context, md metadata.MD) context.Context {
	return context.WithValue(ctx, callMetadataKey{}, md)
}

func callMetadata(ctx context.Context) metadata.MD {
	md, _ := ctx.Value(callMetadataKey{}).(metadata.MD)
	return md
}

// setReplyHeaders shows a service's metadata as the documented headers. Whether it comes as initial or as trailing
// metadata depends on how the service ended the call.
func setReplyHeaders(w http.ResponseWriter, md runtime.ServerMetadata) {
	all := metadata.Join(md.HeaderMD, md.TrailerMD)
	if values := all.Get("idempotent-replayed"); len(values) > 0 && values[0] == "true" {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	if values := all.Get("saga-state"); len(values) > 0 && isPrintable(values[0]) {
		w.Header().Set("Saga-State", values[0])
	}
}

func forwardReplyHeaders(ctx context.Context, w http.ResponseWriter, _ proto.Message) error {
	md, _ := runtime.ServerMetadataFromContext(ctx)
	setReplyHeaders(w, md)
	return nil
}
