// Package api is the HTTP interface of a controller: an http.Handler over small ports, the same for a
// server and for the controller that lives inside a command. Commands speak to it through
// api/client, in wire's JSON, and know no controller. docs/api.md is for who calls it.
//
// Every route is registered with a policy, which is kept before a request's body is read: policy.go and serve.go. The
// OpenAPI document comes from the registered routes. A member that doesn't lead passes requests on to the one that does
// (forward.go), but stale reads and what is about itself. Errors are problems (errors.go), streams are server-sent
// events (follow.go, events.go), and /v1/console becomes a raw byte stream (HTTP Upgrade).
package api
