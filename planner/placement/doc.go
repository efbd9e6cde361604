// Package placement picks hosts: filters remove the ones that can't take an instance, weighers rank
// the rest, and every rejection keeps its sentence. One filter or weigher a file, as in Nova.
//
// Two ways lead to the same answer. Scheduler.Rank looks at every host and says everything there is
// to say; it is the definition. Index.Pick finds the best host alone, for many requests in a row:
// requests of one class (same flavor, image, zone, ...) share what they found out, and only the hosts
// that changed since the last look are looked at again. A property test holds the two together.
//
// # Which filters and weighers are in force
//
// A scheduler block names filters, or a preset. `preset = "nova"` is Nova's classic set: retry,
// availability_zone, ram, disk, core, compute, compute_capabilities, image_properties, with the ram
// weigher alone. Without a preset, all filters and all weighers are in force, each weigher with Nova's
// multiplier. What an instance's own block asks for (host, pool, network, group, same_host,
// different_host) and what keeps a host from being overcommitted (compute, ram, disk, core) is always
// checked, also when a list leaves it out: Start checks the same again when the plan is carried out,
// so a plan without it could never end.
package placement
