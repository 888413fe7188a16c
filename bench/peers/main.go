// Peers and load for the benchmark: never part of the product. Each subcommand reads its specification as JSON on standard
// input and writes its figures as JSON on standard output; servers print "ready" and run until they are ended.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
)

var commands = map[string]func() error{
	"upstream": runUpstream,
	"proxy":    runProxy,
	"rounds":   runRounds,
	"load":     runLoad,
	"openloop": runOpenLoop,
	"watches":  runWatches,
	"leave":    runLeave,
	"exec":     runExec,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: peers upstream|proxy|rounds|load|openloop|watches|leave|exec < spec.json")
		os.Exit(2)
	}
	if os.Args[1] != "proxy" {
		// Less garbage collection in load and upstream: their pauses would be read as the subject's. The peer collects as
		// any Go program does.
		debug.SetGCPercent(400)
	}
	if err := commands[os.Args[1]](); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func readSpec(into any) error { return json.NewDecoder(os.Stdin).Decode(into) }

func writeFigures(figures any) error { return json.NewEncoder(os.Stdout).Encode(figures) }
