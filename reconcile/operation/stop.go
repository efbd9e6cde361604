package operation

import "context"

// stopSteps shut a guest down: ACPI first, then hard.
func stopSteps() []Step {
	return []Step{
		look(),
		{Name: "shutdown", Does: "Press the ACPI power button, again until the shutdown timeout.", Is: isOff,
			Do: func(ctx context.Context, j *Job) error { return j.shutdown(ctx) }},
		{Name: "cut", Does: "Cut the power of a guest that did not listen.", Is: isOff, Do: cutHere},
	}
}
