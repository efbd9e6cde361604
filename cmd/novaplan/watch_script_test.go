package main

import (
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// logs waits until a program that runs in the background has written what matches, behind what was waited for
// before: logs FILE REGEXP. It is for programs that nobody can ask.
func logs(ts *testscript.TestScript, _ bool, args []string) {
	path, want := ts.MkAbs(args[0]), regexp.MustCompile("(?m)"+args[1])
	offset := "OFFSET_" + args[0]
	done, _ := strconv.Atoi(ts.Getenv(offset))
	const patience = 20 * time.Second
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for late := time.After(patience); ; {
		text, _ := os.ReadFile(path) // it may not be there yet
		if at := want.FindIndex(text[min(done, len(text)):]); at != nil {
			ts.Setenv(offset, strconv.Itoa(done+at[1]))
			return
		}
		select {
		case <-again.C:
		case <-late:
			ts.Fatalf("%s never has %q after what was seen; all of it:\n%s", args[0], args[1], text)
		}
	}
}
