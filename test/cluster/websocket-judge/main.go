// Command websocket-judge is the other end of WebSocket channels, as Kubernetes has it: the server of kube-apiserver
// (k8s.io/apimachinery's wsstream over golang.org/x/net/websocket), and the WebSocket of client-go (gorilla/websocket) as
// client and as server. It is the judge of src/forward/streams/websocket; test/cluster/websocket-judge.test.ts runs it.
//
//	websocket-judge serve                               prints its address; /kube and /gorilla echo stdin as cat does
//	websocket-judge dial gorilla|xnet URL PROTOCOL SEED sends messages on stdin, says what came back
//
// What it says are JSON lines on standard output. Every address is on loopback.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	xnet "golang.org/x/net/websocket"
	"k8s.io/apimachinery/pkg/util/httpstream/wsstream"
)

const (
	v5          = "v5.channel.k8s.io"
	v4          = "v4.channel.k8s.io"
	stdin       = 0
	stdout      = 1
	errorStream = 3
	resize      = 4
	closeStream = 255
	success     = `{"metadata":{},"status":"Success"}`
	// The close code that the gorilla server ends with: not the usual one, so that it is seen to pass.
	serverCode = 4001
)

// sizes of messages: every form of a length, and what is longer than any buffer on the way.
var sizes = []int{1, 124, 125, 126, 1000, 32 * 1024, 65533, 65534, 65535, 65536, 300_000}

func say(line map[string]any) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		panic(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve()
	case len(os.Args) == 6 && os.Args[1] == "dial":
		dial(os.Args[2], os.Args[3], os.Args[4], int64(must(strconv.Atoi(os.Args[5]))))
	default:
		fmt.Fprintln(os.Stderr, "usage: websocket-judge serve | dial gorilla|xnet URL PROTOCOL SEED")
		os.Exit(2)
	}
}

func serve() {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	say(map[string]any{"address": listener.Addr().String()})
	http.HandleFunc("/kube", serveKube)
	http.HandleFunc("/gorilla", serveGorilla)
	check(http.Serve(listener, nil)) //nolint:gosec // loopback, and the test ends it
}

// serveKube is kube-apiserver's own server. v4 cannot say that stdin ends: there a message on resize does, behind it all.
func serveKube(w http.ResponseWriter, r *http.Request) {
	channels := wsstream.ChannelProtocolConfig{Binary: true, Channels: []wsstream.ChannelType{
		wsstream.ReadChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.ReadChannel,
	}}
	conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{v5: channels, v4: channels})
	protocol, streams, err := conn.Open(w, r)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	// As kube-apiserver does first of all: clients wait for it.
	_, _ = streams[stdout].Write(nil)
	go func() {
		if protocol == v4 {
			_, _ = streams[resize].Read(make([]byte, 100))
			_ = streams[stdin].Close()
		}
	}()
	size := must(io.Copy(streams[stdout], streams[stdin]))
	say(map[string]any{"server": "kube", "bytes": size})
	_, _ = streams[errorStream].Write([]byte(success))
	_ = conn.Close()
}

// serveGorilla sends fragments of 4 KiB, pings between messages, and closes with a code of its own.
func serveGorilla(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{v5, v4}, WriteBufferSize: 4096}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer conn.Close()
	pongs := 0
	conn.SetPongHandler(func(string) error { pongs++; return nil })
	size := 0
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			say(map[string]any{"server": "gorilla", "error": err.Error()})
			return
		}
		if message[0] == closeStream || message[0] == resize {
			break
		}
		size += len(message) - 1
		_ = conn.WriteControl(websocket.PingMessage, []byte("p"), time.Now().Add(time.Minute))
		message[0] = stdout
		writeInPieces(conn, message, 10_000)
	}
	check(conn.WriteMessage(websocket.BinaryMessage, append([]byte{errorStream}, success...)))
	end := websocket.FormatCloseMessage(serverCode, "done")
	check(conn.WriteControl(websocket.CloseMessage, end, time.Now().Add(time.Minute)))
	_, _, err = conn.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) {
		closed = &websocket.CloseError{}
	}
	say(map[string]any{"server": "gorilla", "bytes": size, "ponged": pongs > 0, "closed": closed.Code})
}

// writeInPieces makes gorilla send a frame for each full buffer.
func writeInPieces(conn *websocket.Conn, message []byte, piece int) {
	writer := must(conn.NextWriter(websocket.BinaryMessage))
	for len(message) > 0 {
		n := min(piece, len(message))
		must(writer.Write(message[:n]))
		message = message[n:]
	}
	check(writer.Close())
}

// client is what both WebSocket libraries can do.
type client interface {
	send(message []byte)
	// receive returns nil at the end.
	receive() []byte
	end() int
}

// dial sends random messages while it reads their echo, and compares.
func dial(library, url, protocol string, seed int64) {
	var conn client
	if library == "xnet" {
		conn = dialXnet(url, protocol)
	} else {
		conn = dialGorilla(url, protocol)
	}
	random := rand.New(rand.NewSource(seed)) //nolint:gosec // to be repeated
	var sent bytes.Buffer
	var messages [][]byte
	for range 60 {
		message := make([]byte, 1+sizes[random.Intn(len(sizes))])
		_, _ = random.Read(message[1:])
		message[0] = stdin
		messages = append(messages, message)
		sent.Write(message[1:])
	}
	var writing sync.WaitGroup
	writing.Add(1)
	go func() {
		defer writing.Done()
		for _, message := range messages {
			conn.send(message)
		}
		if protocol == v5 {
			conn.send([]byte{closeStream, stdin})
		} else {
			conn.send([]byte{resize, '{', '}'})
		}
	}()
	var echoed bytes.Buffer
	status := ""
	for message := conn.receive(); message != nil; message = conn.receive() {
		switch message[0] {
		case stdout:
			echoed.Write(message[1:])
		case errorStream:
			status += string(message[1:])
		default:
			say(map[string]any{"unexpected channel": message[0]})
		}
	}
	writing.Wait()
	same := bytes.Equal(sent.Bytes(), echoed.Bytes())
	say(map[string]any{"client": library, "bytes": sent.Len(), "same": same, "status": status, "closed": conn.end()})
}

type gorillaClient struct {
	conn *websocket.Conn
	code int
}

func dialGorilla(url, protocol string) client {
	dialer := websocket.Dialer{Subprotocols: []string{protocol}, WriteBufferSize: 4096}
	conn, _, err := dialer.Dial(url, nil)
	check(err)
	if conn.Subprotocol() != protocol {
		check(fmt.Errorf("the protocol is %q", conn.Subprotocol()))
	}
	return &gorillaClient{conn: conn}
}

func (g *gorillaClient) send(message []byte) {
	check(g.conn.WriteControl(websocket.PingMessage, []byte("p"), time.Now().Add(time.Minute)))
	writeInPieces(g.conn, message, 7000)
}

func (g *gorillaClient) receive() []byte {
	_, message, err := g.conn.ReadMessage()
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		g.code = closed.Code
		return nil
	}
	return must(message, err)
}

func (g *gorillaClient) end() int { return g.code }

type xnetClient struct{ conn *xnet.Conn }

func dialXnet(url, protocol string) client {
	return &xnetClient{conn: must(xnet.Dial(url, protocol, "http://127.0.0.1/"))}
}

func (x *xnetClient) send(message []byte) { check(xnet.Message.Send(x.conn, message)) }

func (x *xnetClient) receive() []byte {
	var message []byte
	err := xnet.Message.Receive(x.conn, &message)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return must(message, err)
}

// end: x/net does not tell the code.
func (x *xnetClient) end() int { return 0 }
