package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/anypb"

	coordinatorv1 "sagamesh/gateway/gen/coordinator/v1"
	sagav1 "sagamesh/gateway/gen/saga/v1"
)

const (
	respondAsync           = "respond-async"
	processOrderOperation  = "CoordinatorService_ProcessOrder" // as the OpenAPI document calls it
	processOrderDefinition = "process_order"
)

// prefersAsync reports whether the client asked, by RFC 7240, not to wait for the saga's end.
func prefersAsync(header http.Header) bool {
	for _, line := range header.Values("Prefer") {
		for preference := range strings.SplitSeq(line, ",") {
			token, _, _ := strings.Cut(preference, ";")
			if strings.EqualFold(strings.TrimSpace(token), respondAsync) {
				return true
			}
		}
	}
	return false
}

// startProcessOrder starts the saga that ProcessOrder would wait for, and answers 202 with its id.
func (f *face) startProcessOrder(ctx context.Context, w http.ResponseWriter, body *requestBody) error {
	var input coordinatorv1.ProcessOrderRequest
	if err := decodeJSON(body.text, &input); err != nil {
		return err
	}
	packed, err := anypb.New(&input)
	if err != nil {
		return err
	}

	var md runtime.ServerMetadata
	ctx = metadata.NewOutgoingContext(ctx, callMetadata(ctx))
	reply, err := f.sagas.StartSaga(ctx, &sagav1.StartSagaRequest{Definition: processOrderDefinition, Input: packed},
		grpc.Header(&md.HeaderMD), grpc.Trailer(&md.TrailerMD))
	setReplyHeaders(w, md)
	if err != nil {
		return err
	}

	saga := reply.GetSaga()
	text, err := json.Marshal(struct {
		SagaID string `json:"saga_id"`
		State  string `json:"state"`
	}{saga.GetSagaId(), saga.GetState().String()})
	if err != nil {
		return err
	}
	w.Header().Set("Preference-Applied", respondAsync)
	w.Header().Set("Location", "/v1/sagas/"+url.PathEscape(saga.GetSagaId()))
	writeJSON(w, http.StatusAccepted, text)
	return nil
}
