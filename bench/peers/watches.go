package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

type watchesSpec struct {
	Target               target `json:"target"`
	Count                int    `json:"count"`
	StreamsPerConnection int    `json:"streamsPerConnection"`
	Control              string `json:"control"`
	Rate                 int    `json:"rate"`
	Seconds              int    `json:"seconds"`
}

type watchesFigures struct {
	OpenedSeconds  float64     `json:"openedSeconds"`
	ResidentBefore int64       `json:"residentBefore"`
	ResidentAfter  int64       `json:"residentAfter"`
	Sent           int         `json:"sent"`
	Dropped        int         `json:"dropped"`
	Delivered      int         `json:"delivered"`
	CPUSeconds     float64     `json:"cpuSeconds"`
	Times          percentiles `json:"times"`
}

// residentBytes is VmRSS of processes (proc(5)).
func residentBytes(pids []int) (int64, error) {
	var total int64
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
				kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
				if err != nil {
					return 0, err
				}
				total += kilobytes * 1024
			}
		}
	}
	return total, nil
}

func control(url string, into any) error {
	answer, err := http.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return json.NewDecoder(answer.Body).Decode(into)
}

// A connection full of watches, read by one goroutine.
type watchConnection struct {
	*http2Connection
	lines  map[uint32][]byte
	times  []time.Duration
	opened int
	mutex  sync.Mutex
	failed error
	ready  chan struct{}
	closed bool
}

func openWatches(t *target, count int) (*watchConnection, error) {
	c, err := dialHTTP2(t)
	if err != nil {
		return nil, err
	}
	w := &watchConnection{http2Connection: c, lines: map[uint32][]byte{}, ready: make(chan struct{})}
	for n := range count {
		if err := c.writeRequest(&t.Request, uint32(1+2*n)); err != nil {
			return nil, err
		}
	}
	if err := c.writer.Flush(); err != nil {
		return nil, err
	}
	go w.read(count, &t.Request)
	select {
	case <-w.ready:
		return w, w.problem()
	case <-time.After(60 * time.Second):
		return nil, fmt.Errorf("%d of %d watches were answered in 60 s", w.opened, count)
	}
}

func (w *watchConnection) problem() error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.failed
}

func (w *watchConnection) end(err error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.closed || w.failed != nil {
		return
	}
	w.failed = err
	if w.opened >= 0 {
		w.opened = -1
		close(w.ready)
	}
}

func (w *watchConnection) read(count int, r *request) {
	for {
		frame, err := w.framer.ReadFrame()
		if err != nil {
			w.end(err)
			return
		}
		done, err := w.settled(frame)
		if err == nil && !done {
			err = w.take(frame, count, r)
		}
		if err != nil {
			w.end(err)
			return
		}
	}
}

func (w *watchConnection) take(frame http2.Frame, count int, r *request) error {
	switch f := frame.(type) {
	case *http2.HeadersFrame:
		w.status = 0
		if _, err := w.decoder.Write(f.HeaderBlockFragment()); err != nil {
			return err
		}
		if w.status != r.Status || f.StreamEnded() {
			return fmt.Errorf("a watch was answered %d, ended: %v", w.status, f.StreamEnded())
		}
		w.mutex.Lock()
		defer w.mutex.Unlock()
		if w.opened++; w.opened == count {
			w.opened = -1
			close(w.ready)
		}
	case *http2.DataFrame:
		w.data(f.StreamID, f.Data())
		if f.StreamEnded() {
			return fmt.Errorf("a watch ended")
		}
		return w.account(int(f.Length))
	case *http2.RSTStreamFrame:
		return fmt.Errorf("a watch was reset: %v", f.ErrCode)
	}
	return nil
}

// data takes events out of a stream; each says when it was sent, by the clock of this machine.
func (w *watchConnection) data(stream uint32, bytesRead []byte) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	text := append(w.lines[stream], bytesRead...)
	for {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			break
		}
		const head = `{"sent":"`
		if sent, err := strconv.ParseInt(string(text[len(head):len(head)+19]), 10, 64); err == nil {
			w.times = append(w.times, time.Duration(time.Now().UnixNano()-sent))
		}
		text = text[end+1:]
	}
	w.lines[stream] = append([]byte(nil), text...)
}

// Opens watches, looks at the memory that they take, and measures how long events need to reach them.
func runWatches() error {
	var spec watchesSpec
	if err := readSpec(&spec); err != nil {
		return err
	}
	if err := spec.Target.prepare(); err != nil {
		return err
	}
	var figures watchesFigures
	var err error
	if figures.ResidentBefore, err = residentBytes(spec.Target.Pids); err != nil {
		return err
	}
	started := time.Now()
	var connections []*watchConnection
	for opened := 0; opened < spec.Count; opened += spec.StreamsPerConnection {
		c, err := openWatches(&spec.Target, min(spec.StreamsPerConnection, spec.Count-opened))
		if err != nil {
			return fmt.Errorf("after %d watches: %w", opened, err)
		}
		connections = append(connections, c)
	}
	figures.OpenedSeconds = time.Since(started).Seconds()
	time.Sleep(2 * time.Second)
	var open struct{ Open int }
	if err := control(spec.Control+"/open", &open); err != nil {
		return err
	}
	if open.Open != spec.Count {
		return fmt.Errorf("%d of %d watches are open at the upstream", open.Open, spec.Count)
	}
	if figures.ResidentAfter, err = residentBytes(spec.Target.Pids); err != nil {
		return err
	}
	before, err := processorSeconds(spec.Target.Pids)
	if err != nil {
		return err
	}
	var sent struct{ Sent, Dropped int }
	if err := control(fmt.Sprintf("%s/events?rate=%d&seconds=%d", spec.Control, spec.Rate, spec.Seconds), &sent); err != nil {
		return err
	}
	after, err := processorSeconds(spec.Target.Pids)
	if err != nil {
		return err
	}
	time.Sleep(time.Second)
	all := []time.Duration{}
	for _, c := range connections {
		if err := c.problem(); err != nil {
			return err
		}
		c.mutex.Lock()
		c.closed = true
		all = append(all, c.times...)
		c.mutex.Unlock()
		c.close()
	}
	figures.Sent, figures.Dropped, figures.Delivered = sent.Sent, sent.Dropped, len(all)
	figures.CPUSeconds, figures.Times = after-before, percentilesOf(all)
	return writeFigures(figures)
}

type leaveSpec struct {
	Target target `json:"target"`
	Times  int    `json:"times"`
}

// Clients that leave in the middle of a body: a gateway that breaks on this breaks for everybody.
func runLeave() error {
	var spec leaveSpec
	if err := readSpec(&spec); err != nil {
		return err
	}
	if err := spec.Target.prepare(); err != nil {
		return err
	}
	for range spec.Times {
		if err := leaveOnce(&spec.Target); err != nil {
			return err
		}
	}
	// Whoever stays is served as before.
	c, err := dial(&spec.Target)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.do(&spec.Target.Request); err != nil {
		return err
	}
	return writeFigures(map[string]int{"left": spec.Times})
}

func leaveOnce(t *target) error {
	if t.Protocol == "h2" {
		c, err := dialHTTP2(t)
		if err != nil {
			return err
		}
		defer c.close()
		if err := c.writeRequest(&t.Request, 1); err != nil {
			return err
		}
		if err := c.writer.Flush(); err != nil {
			return err
		}
		for {
			frame, err := c.framer.ReadFrame()
			if err != nil {
				return err
			}
			if frame.Header().Type == http2.FrameData {
				return nil
			}
		}
	}
	opened, err := dialTLS(t, "http/1.1")
	if err != nil {
		return err
	}
	defer opened.Close()
	c := &http1Connection{conn: opened, host: t.host}
	_, err = fmt.Fprintf(opened, "%s %s HTTP/1.1\r\nhost: %s\r\nauthorization: Bearer %s\r\n\r\n", t.Request.Method, t.Request.Path, c.host, t.Request.Token)
	if err != nil {
		return err
	}
	_, err = opened.Read(make([]byte, 16*1024))
	return err
}
