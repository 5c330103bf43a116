package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

const (
	bodyBytesMax = 1 << 20
	// drainBytesMax is read and dropped of a body that is too long, so that a client that sends before it reads still gets
	// its answer.
	drainBytesMax   = 8 << 20
	bodyReadTimeout = 10 * time.Second
)

// requestBody is a body that has been read, as the generated gateway takes it.
type requestBody struct {
	bytes.Reader
	text []byte
	// failure is why it could not be decoded; the generated gateway would pass on only the text of it.
	failure error
}

func newRequestBody(text []byte) *requestBody {
	body := &requestBody{text: text}
	body.Reset(text)
	return body
}

func (*requestBody) Close() error { return nil }

// readBody reads the whole body. Errors: 415 if it is not called JSON, 413 if it is too long, 400 if it is missing, or
// given to a method that takes none.
func readBody(w http.ResponseWriter, r *http.Request, wanted bool) (*requestBody, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return newRequestBody(nil), nil
	}
	text, err := readLimited(w, r)
	if err != nil {
		return nil, err
	}
	blank := len(bytes.TrimSpace(text)) == 0
	if blank && wanted {
		return nil, badRequest("body", "the request has no body; a JSON object is expected")
	}
	if blank {
		return newRequestBody(nil), nil
	}
	if err := checkContentType(r.Header); err != nil {
		return nil, err
	}
	if !wanted && string(bytes.Join(bytes.Fields(text), nil)) != "{}" {
		return nil, badRequest("body", "this method takes no body")
	}
	return newRequestBody(text), nil
}

func readLimited(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyReadTimeout))
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()

	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		_, _ = io.CopyN(io.Discard, r.Body, drainBytesMax)
		return nil, bodyTooLong()
	}
	if err != nil {
		return nil, badRequest("body", "the body could not be read")
	}
	return text, nil
}

func checkContentType(header http.Header) error {
	if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return unsupportedMediaType(fmt.Sprintf("Content-Encoding %q is not supported", truncate(encoding)))
	}
	contentType := header.Get("Content-Type")
	if contentType == "" {
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	charset, hasCharset := params["charset"]
	if err != nil || mediaType != "application/json" || (hasCharset && !strings.EqualFold(charset, "utf-8")) {
		return unsupportedMediaType(fmt.Sprintf("Content-Type %q is not supported; send application/json",
			truncate(contentType)))
	}
	return nil
}
