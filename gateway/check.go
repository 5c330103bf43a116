package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// checkReplyBytesMax bounds what is shown of a reply.
const checkReplyBytesMax = 512

// check asks /health of every address that a gateway with these options listens on; the error names each that is not
// well, and why. It is what a container's health check runs, where there is no curl.
func check(ctx context.Context, o options) error {
	var failures []error
	for _, address := range slices.Concat(o.coordinatorListen, o.ordersListen, o.customersListen) {
		if err := checkAddress(ctx, address); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", address, err))
		}
	}
	return errors.Join(failures...)
}

func checkAddress(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*healthTimeout) // the gateway itself waits healthTimeout for the service
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/health", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // never by a proxy
	reply, err := client.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(reply.Body, checkReplyBytesMax))
		return fmt.Errorf("%s: %s", reply.Status, strings.TrimSpace(string(text)))
	}
	return nil
}
