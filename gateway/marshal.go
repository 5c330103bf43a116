package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const jsonContentType = "application/json"

// encodeJSON writes a message as the API shows it: snake_case, zero values included, and the same bytes for equal
// messages (protojson puts spaces in at random; compacting takes them out). It may change Any fields of the message.
func encodeJSON(m proto.Message) ([]byte, error) {
	wrapUnknownAnys(m.ProtoReflect())
	spaced, err := protojson.MarshalOptions{
		UseProtoNames:   true,
		EmitUnpopulated: true,
		Resolver:        opaqueResolver{},
	}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, spaced); err != nil {
		return nil, err
	}
	return compact.Bytes(), nil
}

// decodeJSON reads exactly one JSON object. Unknown fields, duplicates and trailing text are refused with the field's
// path in the message. Errors: 400.
func decodeJSON(text []byte, m proto.Message) error {
	if err := protojson.Unmarshal(text, m); err != nil {
		return explainJSONError(text, err)
	}
	return nil
}

// jsonMarshaler is the generated gateway's way to encodeJSON and decodeJSON.
type jsonMarshaler struct{}

var _ runtime.Marshaler = jsonMarshaler{}

func (jsonMarshaler) ContentType(any) string { return jsonContentType }

func (jsonMarshaler) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, errNoMessage
	}
	text, err := encodeJSON(m)
	if err != nil {
		return nil, internalError(fmt.Errorf("the reply cannot be written as JSON: %w", err))
	}
	return text, nil
}

func (jsonMarshaler) Unmarshal(text []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return errNoMessage
	}
	return decodeJSON(text, m)
}

func (j jsonMarshaler) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		text, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		err = j.Unmarshal(text, v)
		if body, ok := r.(*requestBody); ok {
			body.failure = err
		}
		return err
	})
}

func (j jsonMarshaler) NewEncoder(w io.Writer) runtime.Encoder {
	return runtime.EncoderFunc(func(v any) error {
		text, err := j.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
}

var errNoMessage = errors.New("not a protobuf message")
