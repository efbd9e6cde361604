// Package api is the HTTP interface of a controller: an http.Handler over small ports, the same for a
// server and for the controller that lives inside a command. Commands speak to it through
// api/client, in wire's JSON, and know no controller.
//
// Every request is a POST with a JSON body except /v1/identity. Answers are one JSON document, but
// /v1/apply and /v1/events answer with a stream of wire.Event, one a line, and /v1/console becomes a
// raw byte stream (HTTP Upgrade). Errors are a wire.Error.
package api
