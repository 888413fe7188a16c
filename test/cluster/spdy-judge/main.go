// Command spdy-judge is the other end of a SPDY/3.1 connection, as Kubernetes has it: k8s.io/apimachinery's httpstream
// over moby/spdystream. It is the judge of src/forward/streams/spdy; test/cluster/spdy-judge.test.ts runs it.
//
//	spdy-judge serve           prints its address, serves one connection, says what it saw
//	spdy-judge dial ADDRESS    opens streams as kubectl port-forward does, says what came back
//	spdy-judge ping ADDRESS    pings over spdystream itself
//
// What it says are JSON lines on standard output. Every address is on loopback.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"

	"github.com/moby/spdystream"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
)

var sayLock sync.Mutex

// say prints one line of what was seen.
func say(line map[string]any) {
	sayLock.Lock()
	defer sayLock.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		panic(err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve()
	case len(os.Args) == 3 && os.Args[1] == "dial":
		dial(os.Args[2])
	case len(os.Args) == 3 && os.Args[1] == "ping":
		ping(os.Args[2])
	default:
		fmt.Fprintln(os.Stderr, "usage: spdy-judge serve | dial ADDRESS | ping ADDRESS")
		os.Exit(2)
	}
}

// serve does with each stream what its port says.
func serve() {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	say(map[string]any{"address": listener.Addr().String()})
	socket := must(listener.Accept())
	var conn httpstream.Connection
	ready := make(chan struct{})
	conn = must(spdy.NewServerConnection(socket, func(stream httpstream.Stream, replySent <-chan struct{}) error {
		port := stream.Headers().Get("port")
		if port == "4" {
			return errors.New("refused, as asked")
		}
		go func() {
			<-replySent
			<-ready
			serveStream(conn, stream, port)
		}()
		return nil
	}))
	close(ready)
	<-conn.CloseChan()
	say(map[string]any{"closed": true})
}

func serveStream(conn httpstream.Connection, stream httpstream.Stream, port string) {
	defer conn.RemoveStreams(stream)
	switch port {
	case "1": // Echo, until the other side half-closes.
		n, err := io.Copy(stream, stream)
		say(map[string]any{"echoed": n, "error": text(err), "headers": stream.Headers()})
		stream.Close()
	case "2": // Reset at the first byte.
		must(stream.Read(make([]byte, 1)))
		stream.Reset()
	case "3": // Half-close at once, then read to the end.
		stream.Close()
		n, err := io.Copy(io.Discard, stream)
		say(map[string]any{"read": n, "error": text(err)})
	case "5": // End the session.
		conn.Close()
	default: // Be reset by the other side.
		_, err := stream.Read(make([]byte, 1))
		say(map[string]any{"ended": port, "error": text(err)})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func headers(streamType string, port int, request int) http.Header {
	return http.Header{
		"Streamtype": {streamType},
		"Port":       {strconv.Itoa(port)},
		"Requestid":  {strconv.Itoa(request)},
	}
}

// dial forwards 50 connections at a time, twice, and then tries what the other side refuses and resets.
func dial(address string) {
	socket := must(net.Dial("tcp", address))
	conn := must(spdy.NewClientConnection(socket))
	for round := 0; round < 2; round++ {
		var wait sync.WaitGroup
		for n := 0; n < 50; n++ {
			wait.Add(1)
			go func() {
				defer wait.Done()
				say(map[string]any{"forwarded": forward(conn, 50*round+n)})
			}()
		}
		wait.Wait()
	}

	_, err := conn.CreateStream(http.Header{"Streamtype": {"stdlog"}})
	say(map[string]any{"unknown type": text(err)})
	_, err = conn.CreateStream(headers("data", 4, 1000))
	say(map[string]any{"refused": text(err)})

	stream := must(conn.CreateStream(headers("data", 2, 1001)))
	must(stream.Write([]byte("reset me")))
	_, err = stream.Read(make([]byte, 1))
	say(map[string]any{"reset": text(err)})

	stream = must(conn.CreateStream(headers("data", 6, 1002)))
	must(stream.Write([]byte("I go")))
	must(stream.Read(make([]byte, 1)))
	stream.Reset()

	conn.CreateStream(headers("data", 7, 1003))
	conn.Close()
	<-conn.CloseChan()
	say(map[string]any{"closed": true})
}

// forward is one connection of a port-forward: an error stream that we do not write to, and a data stream that is echoed.
func forward(conn httpstream.Connection, request int) string {
	errorStream, err := conn.CreateStream(headers("error", 1, request))
	if err != nil {
		return err.Error()
	}
	defer conn.RemoveStreams(errorStream)
	errorStream.Close()
	stream, err := conn.CreateStream(headers("data", 1, request))
	if err != nil {
		return err.Error()
	}
	defer conn.RemoveStreams(stream)
	sent := bytes.Repeat([]byte(fmt.Sprintf("connection %d|", request)), 3000)
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 7001)
			if _, err := stream.Write(rest[:n]); err != nil {
				break
			}
			rest = rest[n:]
		}
		stream.Close()
	}()
	came, err := io.ReadAll(stream)
	if err != nil {
		return err.Error()
	}
	if !bytes.Equal(came, sent) {
		return fmt.Sprintf("other bytes: %d of %d", len(came), len(sent))
	}
	failure, err := io.ReadAll(errorStream)
	if err != nil {
		return err.Error()
	}
	return "ok" + string(failure)
}

func ping(address string) {
	socket := must(net.Dial("tcp", address))
	conn := must(spdystream.NewConnection(socket, false))
	go conn.Serve(spdystream.NoOpStreamHandler)
	for n := 0; n < 3; n++ {
		must(conn.Ping())
	}
	say(map[string]any{"pinged": 3})
	must(true, conn.CloseWait())
}
