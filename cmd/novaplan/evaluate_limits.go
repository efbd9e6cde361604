package main

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// evaluationLimits bound what the evaluation of a folder may cost.
type evaluationLimits struct {
	MemoryMiB  int `json:"memory_mib"`
	CPUSeconds int `json:"cpu_seconds"`
}

// defaultEvaluation suffices for a hundred thousand instances.
var defaultEvaluation = evaluationLimits{MemoryMiB: 2048, CPUSeconds: 60}

// wall is how long an evaluation may take in all: a file system that hangs uses no CPU, and a machine that is busy
// with other things gives little.
func (l evaluationLimits) wall() time.Duration { return time.Duration(2*l.CPUSeconds+30) * time.Second }

// resultBytes bounds the document: a spec is never larger than the memory that it was evaluated in.
func (l evaluationLimits) resultBytes() int64 { return int64(l.MemoryMiB) << 20 / 2 }

// The exit codes of a child that used up what it had.
const (
	exitMemory = 97
	exitCPU    = 98
)

// impose limits this process, for good. It ends itself when it has used up its memory or its time; the kernel's
// limits are a little wider and are there because nothing that runs a stranger's expressions is its own judge. The
// kernel's limit of memory is RLIMIT_DATA and not RLIMIT_AS: Go reserves much more address space than it uses.
func (l evaluationLimits) impose() error {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)     // secrets are in memory; without it there is no core either
	_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) // as far as the kernel can
	memory := uint64(l.MemoryMiB) << 20
	debug.SetGCPercent(100)
	debug.SetMemoryLimit(int64(memory / 10 * 9)) // before it is hit, try harder to stay below it
	used, err := dataBytes()
	if err != nil {
		return err
	}
	l.endInTime()
	go endWithin(memory)
	backstop := used + memory + memory/4 + 64<<20
	for _, limit := range []struct {
		what       int
		soft, hard uint64
	}{
		{unix.RLIMIT_CORE, 0, 0},
		{unix.RLIMIT_FSIZE, 0, 0}, // it writes to a pipe only
		{unix.RLIMIT_DATA, backstop, backstop},
		{unix.RLIMIT_CPU, uint64(l.CPUSeconds), uint64(l.CPUSeconds) + 2},
	} {
		if err := unix.Setrlimit(limit.what, &unix.Rlimit{Cur: limit.soft, Max: limit.hard}); err != nil {
			return fmt.Errorf("setrlimit %d: %w", limit.what, err)
		}
	}
	return nil
}

// endInTime ends the process when its CPU time is used up, in a way that the parent recognises.
func (l evaluationLimits) endInTime() {
	over := make(chan os.Signal, 1)
	signal.Notify(over, unix.SIGXCPU)
	go func() {
		<-over
		os.Exit(exitCPU)
	}()
}

// lookAtMemory is how often a child looks at how much it has: at most some ten MiB come between.
const lookAtMemory = 5 * time.Millisecond

// endWithin ends the process when Go has more memory from the system than limit bytes.
func endWithin(limit uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for range time.Tick(lookAtMemory) {
		metrics.Read(sample)
		if sample[0].Value.Uint64()-sample[1].Value.Uint64() > limit {
			os.Exit(exitMemory)
		}
	}
}

// dataBytes is how much of what RLIMIT_DATA counts the process has already.
func dataBytes() (uint64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(status, []byte("VmData:"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("/proc/self/status has no VmData")
	}
	kib, err := strconv.ParseUint(string(fields[0]), 10, 64)
	return kib << 10, err
}
