// Package console is the management API of an engine, its client, and what monitoring reads.
//
//	njia messages … ── Client ── Unix socket ──> Handler ──> engine: status, messages, retry, reload …
//	                └─ Client ── in this process ──> Stopped ──> the journal of an engine that does not run
//	monitoring ── HTTP ──> Probe: /metrics /healthz /readyz
//
// Everything is JSON. A failure is a Problem, as application/problem+json (RFC 9457).
package console
