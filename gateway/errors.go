package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// errorDomain is the ErrorInfo domain of errors that no service made.
const errorDomain = "gateway"

const reasonKeyReused = "IDEMPOTENCY_KEY_REUSED"

// httpError is an error whose HTTP status is not the one of its code.
type httpError struct {
	status *status.Status
	http   int
	allow  string // the Allow header of a 405
}

func (e *httpError) Error() string              { return e.status.Err().Error() }
func (e *httpError) GRPCStatus() *status.Status { return e.status }

// newStatus makes an error of the gateway's own.
func newStatus(c codes.Code, reason, message string, details ...protoadapt.MessageV1) *status.Status {
	info := &errdetails.ErrorInfo{Reason: reason, Domain: errorDomain}
	st, err := status.New(c, message).WithDetails(append([]protoadapt.MessageV1{info}, details...)...)
	if err != nil {
		return status.New(c, message)
	}
	return st
}

// badRequest is a 400 for one field, header or parameter. The message should name it.
func badRequest(field, message string) error {
	return newStatus(codes.InvalidArgument, "INVALID_REQUEST", message, violation(field, message)).Err()
}

func violation(field, description string) *errdetails.BadRequest {
	return &errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: description}},
	}
}

// internalError is a defect of the gateway's own, whose text is for the log.
func internalError(what error) error {
	slog.Error("internal error", "error", what)
	return newStatus(codes.Internal, "INTERNAL", "internal error").Err()
}

func faultInjectionDisabled(header string) error {
	problem := "fault injection is off; the gateway runs without --enable-fault-injection"
	return newStatus(codes.InvalidArgument, "FAULT_INJECTION_DISABLED", "header "+header+": "+problem,
		violation(header, problem)).Err()
}

func pathNotFound(path string) error {
	return newStatus(codes.NotFound, "PATH_NOT_FOUND", "no such path: "+truncate(path)).Err()
}

func methodNotAllowed(method, allow string) error {
	st := newStatus(codes.Unimplemented, "METHOD_NOT_ALLOWED",
		fmt.Sprintf("method %s is not allowed here; allowed: %s", truncate(method), allow))
	return &httpError{status: st, http: http.StatusMethodNotAllowed, allow: allow}
}

func bodyTooLong() error {
	st := newStatus(codes.InvalidArgument, "BODY_TOO_LONG", fmt.Sprintf("the body has more than %d bytes", bodyBytesMax))
	return &httpError{status: st, http: http.StatusRequestEntityTooLarge}
}

func unsupportedMediaType(message string) error {
	st := newStatus(codes.InvalidArgument, "UNSUPPORTED_MEDIA_TYPE", message)
	return &httpError{status: st, http: http.StatusUnsupportedMediaType}
}

func tooManyRequests() error {
	return newStatus(codes.ResourceExhausted, "TOO_MANY_REQUESTS",
		fmt.Sprintf("more than %d requests are under way", requestsMax),
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)}).Err()
}

// writeError answers with the body {"code","message","details"} and the HTTP status that belongs to the error. title is
// the service's, for errors that come from no service.
func writeError(w http.ResponseWriter, title string, err error) {
	st := completeStatus(title, statusOf(err))
	httpStatus := httpStatusOf(st)
	var own *httpError
	if errors.As(err, &own) {
		httpStatus = own.http
		if own.allow != "" {
			w.Header().Set("Allow", own.allow)
		}
	}
	if delay, ok := retryDelay(st); ok {
		w.Header().Set("Retry-After", strconv.FormatInt(delay, 10))
	}
	writeJSON(w, httpStatus, errorBody(st.Proto()))
}

// statusOf is the gRPC status of an error; one that has none is the gateway's own failure.
func statusOf(err error) *status.Status {
	var routing *runtime.HTTPStatusError
	if errors.As(err, &routing) && routing.HTTPStatus == http.StatusBadRequest {
		return status.New(codes.InvalidArgument, routing.Err.Error())
	}
	var coded interface{ GRPCStatus() *status.Status }
	if errors.As(err, &coded) {
		return coded.GRPCStatus()
	}
	return status.Convert(internalError(err))
}

// completeStatus gives an error that carries no ErrorInfo one: it was made by the gRPC client or by the generated
// gateway, not by a service.
func completeStatus(title string, st *status.Status) *status.Status {
	if errorInfo(st) != nil {
		return st
	}
	switch st.Code() {
	case codes.InvalidArgument:
		return status.Convert(badParameter(st.Message()))
	case codes.Unavailable, codes.Canceled: // CANCELLED by a service that is shutting down; our own clients read nothing
		return newStatus(codes.Unavailable, "BACKEND_UNAVAILABLE", "the service behind the "+title+" is unavailable")
	case codes.DeadlineExceeded:
		return newStatus(codes.DeadlineExceeded, "BACKEND_TIMEOUT",
			fmt.Sprintf("the service behind the %s did not answer within %v", title, callTimeout))
	default: // in the transport's own words
		slog.Error("a call failed", "api", title, "error", st.Err())
		return newStatus(codes.Internal, "BACKEND_FAILED", "the call to the service behind the "+title+" failed")
	}
}

// What the generated gateway says of a parameter of the path or the query that it cannot take: which, and why.
var parameterPattern = regexp.MustCompile(
	`(?s)^(?:parsing field "([^"]+)"|too many values for field "([^"]+)"|type mismatch, parameter: ([^,]+), error): (.*)$`)

// badParameter is the 400 for such a parameter, in our words.
func badParameter(message string) error {
	found := parameterPattern.FindStringSubmatch(message)
	if found == nil {
		return newStatus(codes.InvalidArgument, "INVALID_REQUEST", truncate(message)).Err()
	}
	name, problem := found[1]+found[2]+found[3], truncate(found[4])
	switch {
	case found[2] != "":
		problem = "is given more than once"
	case strings.HasPrefix(found[4], "strconv.ParseBool"):
		problem = "must be true or false"
	case strings.HasPrefix(found[4], "strconv.") && strings.HasSuffix(found[4], strconv.ErrRange.Error()):
		problem = "is out of range"
	case strings.HasPrefix(found[4], "strconv.ParseUint"):
		problem = "must be a whole number from 0 on"
	case strings.HasPrefix(found[4], "strconv.Parse"):
		problem = "must be a whole number"
	}
	return badRequest(name, name+": "+problem)
}

func errorInfo(st *status.Status) *errdetails.ErrorInfo {
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info
		}
	}
	return nil
}

func httpStatusOf(st *status.Status) int {
	if info := errorInfo(st); info != nil && info.GetReason() == reasonKeyReused {
		return http.StatusUnprocessableEntity
	}
	return runtime.HTTPStatusFromCode(st.Code())
}

// retryDelay is what Retry-After says, in seconds, at least 1: the error's RetryInfo, and 1 for an overload without it.
func retryDelay(st *status.Status) (seconds int64, ok bool) {
	for _, detail := range st.Details() {
		if info, isRetry := detail.(*errdetails.RetryInfo); isRetry {
			return max(1, int64(math.Ceil(info.GetRetryDelay().AsDuration().Seconds()))), true
		}
	}
	return 1, st.Code() == codes.ResourceExhausted
}

func errorBody(st *spb.Status) []byte {
	st.Message = strings.ToValidUTF8(st.GetMessage(), "\uFFFD")
	text, err := encodeJSON(st)
	if err != nil { // a detail that does not decode
		st.Details = nil
		text, _ = encodeJSON(st)
	}
	return text
}

func writeJSON(w http.ResponseWriter, httpStatus int, text []byte) {
	w.Header().Set("Content-Type", jsonContentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(httpStatus)
	_, _ = w.Write(text)
}
