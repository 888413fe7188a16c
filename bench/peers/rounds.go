package main

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"time"
)

type roundsSpec struct {
	Targets []target `json:"targets"`
	Blocks  int      `json:"blocks"`
	Rounds  int      `json:"rounds"`
	WarmUp  int      `json:"warmUp"`
	// A new TLS connection for every request, as each kubectl command makes one.
	Fresh bool `json:"fresh"`
}

type percentiles struct {
	P50Us float64 `json:"p50Us"`
	P90Us float64 `json:"p90Us"`
	P99Us float64 `json:"p99Us"`
	MaxUs float64 `json:"maxUs"`
	Count int     `json:"count"`
}

func percentilesOf(times []time.Duration) percentiles {
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	at := func(share float64) float64 {
		if len(times) == 0 {
			return 0
		}
		return float64(times[min(len(times)-1, int(share*float64(len(times))))].Nanoseconds()) / 1000
	}
	return percentiles{P50Us: at(0.5), P90Us: at(0.9), P99Us: at(0.99), MaxUs: at(1), Count: len(times)}
}

// Paired rounds: each sends one request to every target, in random order. Percentiles by block and target.
func runRounds() error {
	var spec roundsSpec
	if err := readSpec(&spec); err != nil {
		return err
	}
	connections := make([]connection, len(spec.Targets))
	for n := range spec.Targets {
		if err := spec.Targets[n].prepare(); err != nil {
			return err
		}
		if spec.Fresh {
			continue
		}
		opened, err := dial(&spec.Targets[n])
		if err != nil {
			return fmt.Errorf("%s: %w", spec.Targets[n].Name, err)
		}
		connections[n] = opened
	}
	one := func(n int) (time.Duration, error) {
		t := &spec.Targets[n]
		started := time.Now()
		c := connections[n]
		if spec.Fresh {
			opened, err := dial(t)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", t.Name, err)
			}
			defer opened.close()
			c = opened
		}
		err := c.do(&t.Request)
		took := time.Since(started)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", t.Name, err)
		}
		return took, nil
	}
	round := func(keep func(n int, took time.Duration)) error {
		for _, n := range rand.Perm(len(spec.Targets)) {
			took, err := one(n)
			if err != nil {
				return err
			}
			keep(n, took)
		}
		return nil
	}
	for range spec.WarmUp {
		if err := round(func(int, time.Duration) {}); err != nil {
			return err
		}
	}
	blocks := []map[string]percentiles{}
	for range spec.Blocks {
		times := make([][]time.Duration, len(spec.Targets))
		for range spec.Rounds {
			if err := round(func(n int, took time.Duration) { times[n] = append(times[n], took) }); err != nil {
				return err
			}
		}
		block := map[string]percentiles{}
		for n := range spec.Targets {
			block[spec.Targets[n].Name] = percentilesOf(times[n])
		}
		blocks = append(blocks, block)
	}
	return writeFigures(map[string]any{"blocks": blocks})
}
