// Package engine opens, runs, swaps and stops a rule set.
//
//	source ── Accept ──> inbox: plan.Admit ──> journal.Append                      the source may acknowledge
//	                                               │ lane: one message of a key at a time
//	                                               v
//	                     worker: plan.Run(host) ──> journal.Resolve                deliveries, filtered, held, dead …
//	                                               │ system: rate, concurrency, breaker, window
//	                                               v
//	                     operation.Do ──> journal.Attempt                          delivered, or by class: again, held, dead
//
// A crash anywhere starts again at the last write. A message under way ends under the rule-set version it began with.
package engine
