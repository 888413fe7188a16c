package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// The kernel's clock ticks a second in /proc; 100 on every Linux that Node runs on.
const ticksPerSecond = 100

// processorSeconds is utime and stime of processes: fields 14 and 15 of /proc/<pid>/stat (proc(5)).
func processorSeconds(pids []int) (float64, error) {
	ticks := 0
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		// The name in parentheses may hold spaces: fields are counted from behind it.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		for _, field := range [][]byte{fields[11], fields[12]} {
			value, err := strconv.Atoi(string(field))
			if err != nil {
				return 0, err
			}
			ticks += value
		}
	}
	return float64(ticks) / ticksPerSecond, nil
}

type loadSpec struct {
	Target      target  `json:"target"`
	Connections int     `json:"connections"`
	WarmSeconds float64 `json:"warmSeconds"`
	Seconds     float64 `json:"seconds"`
	// Open loop: requests a second, whatever the answers do.
	Rate float64 `json:"rate"`
}

type loadFigures struct {
	Requests   int64       `json:"requests"`
	Seconds    float64     `json:"seconds"`
	CPUSeconds float64     `json:"cpuSeconds"`
	Bytes      int64       `json:"bytes"`
	Times      percentiles `json:"times"`
}

func openAll(spec *loadSpec) ([]connection, error) {
	if err := spec.Target.prepare(); err != nil {
		return nil, err
	}
	opened := make([]connection, spec.Connections)
	for n := range opened {
		var err error
		if opened[n], err = dial(&spec.Target); err != nil {
			return nil, err
		}
	}
	return opened, nil
}

// Closed loop: each connection sends its next request when the last was answered.
func runLoad() error {
	var spec loadSpec
	if err := readSpec(&spec); err != nil {
		return err
	}
	connections, err := openAll(&spec)
	if err != nil {
		return err
	}
	var counting, stopped atomic.Bool
	var requests atomic.Int64
	failed := make(chan error, len(connections))
	var group sync.WaitGroup
	times := make([][]time.Duration, len(connections))
	for n, c := range connections {
		group.Go(func() {
			for !stopped.Load() {
				started := time.Now()
				if err := c.do(&spec.Target.Request); err != nil {
					failed <- err
					return
				}
				if counting.Load() {
					requests.Add(1)
					times[n] = append(times[n], time.Since(started))
				}
			}
		})
	}
	time.Sleep(seconds(spec.WarmSeconds))
	before, err := processorSeconds(spec.Target.Pids)
	if err != nil {
		return err
	}
	started := time.Now()
	counting.Store(true)
	time.Sleep(seconds(spec.Seconds))
	counting.Store(false)
	took := time.Since(started).Seconds()
	after, err := processorSeconds(spec.Target.Pids)
	if err != nil {
		return err
	}
	stopped.Store(true)
	group.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	all := []time.Duration{}
	for _, some := range times {
		all = append(all, some...)
	}
	return writeFigures(loadFigures{
		Requests: requests.Load(), Seconds: took, CPUSeconds: after - before,
		Bytes: requests.Load() * spec.Target.Request.Bytes, Times: percentilesOf(all),
	})
}

func seconds(value float64) time.Duration { return time.Duration(value * float64(time.Second)) }

// Open loop: requests are due at fixed times, and the wait for a free connection counts. A closed loop would stop asking
// while the subject stalls, and so leave the stall out of its own figures.
func runOpenLoop() error {
	var spec loadSpec
	if err := readSpec(&spec); err != nil {
		return err
	}
	connections, err := openAll(&spec)
	if err != nil {
		return err
	}
	due := make(chan time.Time, 100_000)
	failed := make(chan error, len(connections))
	times := make([][]time.Duration, len(connections))
	var group, settled sync.WaitGroup
	settled.Add(len(connections))
	for n, c := range connections {
		group.Go(func() {
			// The first request of a connection pays for what is set up once.
			err := c.do(&spec.Target.Request)
			settled.Done()
			if err != nil {
				failed <- err
				return
			}
			for at := range due {
				if err := c.do(&spec.Target.Request); err != nil {
					failed <- err
					return
				}
				times[n] = append(times[n], time.Since(at))
			}
		})
	}
	settled.Wait()
	time.Sleep(200 * time.Millisecond)
	started := time.Now()
	for n := 0; n < int(spec.Rate*spec.Seconds); n++ {
		at := started.Add(seconds(float64(n) / spec.Rate))
		time.Sleep(time.Until(at))
		due <- at
	}
	close(due)
	group.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	all := []time.Duration{}
	for _, some := range times {
		all = append(all, some...)
	}
	return writeFigures(loadFigures{Requests: int64(len(all)), Seconds: time.Since(started).Seconds(), Times: percentilesOf(all)})
}
