package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Exec as kubectl speaks it: WebSocket messages of v5.channel.k8s.io, whose first byte is the channel (KEP-4006).
const (
	channelStdin  = 0
	channelStdout = 1
	channelStatus = 3
	execProtocol  = "v5.channel.k8s.io"
	messageBytes  = 32 * 1024
)

const success = `{"metadata":{},"status":"Success"}`

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// serveExec runs `stream <bytes>` (that much standard output) or `echo` (what standard input says, back).
func serveExec(w http.ResponseWriter, r *http.Request) {
	hijacker, can := w.(http.Hijacker)
	offered := r.Header.Get("Sec-Websocket-Protocol")
	if !can || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || !strings.Contains(offered, execProtocol) {
		answer(w, http.StatusBadRequest, []byte(`{"kind":"Status","status":"Failure","message":"want a WebSocket with v5.channel.k8s.io","code":400}`))
		return
	}
	conn, buffered, err := hijacker.Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(buffered, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
		acceptKey(r.Header.Get("Sec-Websocket-Key")), execProtocol)
	if buffered.Flush() != nil {
		return
	}
	command := r.URL.Query()["command"]
	if len(command) == 2 && command[0] == "stream" {
		bytes, _ := strconv.Atoi(command[1])
		chunk := make([]byte, messageBytes)
		for sent := 0; sent < bytes; sent += len(chunk) {
			if writeMessage(buffered.Writer, channelStdout, chunk, false) != nil {
				return
			}
		}
	} else if echo(buffered) != nil {
		return
	}
	writeMessage(buffered.Writer, channelStatus, []byte(success), false)
	buffered.Write([]byte{0x88, 2, 0x03, 0xe8})
	buffered.Flush()
	// The other side closes: what is on its way must not be cut.
	conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	io.Copy(io.Discard, buffered)
}

// echo ends with an empty message on standard input's close channel, or with a closed connection.
func echo(buffered *bufio.ReadWriter) error {
	for {
		opcode, payload, err := readMessage(buffered.Reader, true)
		if err != nil {
			return err
		}
		if opcode == 8 || (len(payload) > 0 && payload[0] == 255) {
			return nil
		}
		if len(payload) > 1 && payload[0] == channelStdin {
			if err := writeMessage(buffered.Writer, channelStdout, payload[1:], false); err != nil {
				return err
			}
			buffered.Flush()
		}
	}
}

func writeMessage(w *bufio.Writer, channel byte, data []byte, masked bool) error {
	length := len(data) + 1
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	w.WriteByte(0x82)
	switch {
	case length < 126:
		w.WriteByte(mask | byte(length))
	case length < 1<<16:
		w.Write([]byte{mask | 126, byte(length >> 8), byte(length)})
	default:
		w.WriteByte(mask | 127)
		w.Write(binary.BigEndian.AppendUint64(nil, uint64(length)))
	}
	if masked {
		// A mask of zeros is a mask: the bytes stay as they are.
		w.Write([]byte{0, 0, 0, 0})
	}
	w.WriteByte(channel)
	_, err := w.Write(data)
	return err
}

func readMessage(r *bufio.Reader, masked bool) (opcode byte, payload []byte, err error) {
	head := make([]byte, 2, 14)
	if _, err = io.ReadFull(r, head); err != nil {
		return
	}
	length := uint64(head[1] & 0x7f)
	extra := map[uint64]int{126: 2, 127: 8}[length]
	if masked {
		extra += 4
	}
	rest := make([]byte, extra)
	if _, err = io.ReadFull(r, rest); err != nil {
		return
	}
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(rest))
	case 127:
		length = binary.BigEndian.Uint64(rest)
	}
	if length > 16<<20 {
		return 0, nil, errors.New("a message of more than 16 MiB")
	}
	payload = make([]byte, length)
	if _, err = io.ReadFull(r, payload); err == nil && masked {
		for n := range payload {
			payload[n] ^= rest[extra-4+n%4]
		}
	}
	return head[0] & 0x0f, payload, err
}

type execSpec struct {
	Target target `json:"target"`
	Bytes  int64  `json:"bytes"`
	Echoes int    `json:"echoes"`
}

func openExec(t *target, query string) (net.Conn, *bufio.ReadWriter, error) {
	conn, err := dialTLS(t, "http/1.1")
	if err != nil {
		return nil, nil, err
	}
	// A stream that hangs is a failure to report, not one to wait for.
	conn.SetDeadline(time.Now().Add(60 * time.Second))
	buffered := bufio.NewReadWriter(bufio.NewReaderSize(conn, 64*1024), bufio.NewWriter(conn))
	key := make([]byte, 16)
	rand.Read(key)
	fmt.Fprintf(buffered, "GET %s?%s HTTP/1.1\r\nhost: %s\r\nauthorization: Bearer %s\r\nuser-agent: kubectl/v1.35.0\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: %s\r\nsec-websocket-protocol: %s\r\n\r\n",
		t.Request.Path, query, t.host, t.Request.Token, base64.StdEncoding.EncodeToString(key), execProtocol)
	if err := buffered.Flush(); err != nil {
		return nil, nil, err
	}
	answered, err := http.ReadResponse(buffered.Reader, nil)
	if err != nil {
		return nil, nil, err
	}
	if answered.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(answered.Body, 600))
		conn.Close()
		return nil, nil, fmt.Errorf("exec was answered %d, not 101: %s", answered.StatusCode, text)
	}
	return conn, buffered, nil
}

// Streams standard output through an exec, then sends single bytes there and back.
func runExec() error {
	var spec execSpec
	if err := readSpec(&spec); err != nil {
		return err
	}
	if err := spec.Target.prepare(); err != nil {
		return err
	}
	before, err := processorSeconds(spec.Target.Pids)
	if err != nil {
		return err
	}
	started := time.Now()
	if err := streamOnce(&spec); err != nil {
		return err
	}
	took := time.Since(started).Seconds()
	after, err := processorSeconds(spec.Target.Pids)
	if err != nil {
		return err
	}
	conn, buffered, err := openExec(&spec.Target, "command=echo&stdin=true&stdout=true")
	if err != nil {
		return err
	}
	defer conn.Close()
	times := make([]time.Duration, 0, spec.Echoes)
	for range spec.Echoes {
		sent := time.Now()
		writeMessage(buffered.Writer, channelStdin, []byte{'x'}, true)
		buffered.Flush()
		_, payload, err := readMessage(buffered.Reader, false)
		if err != nil {
			return err
		}
		if len(payload) != 2 || payload[0] != channelStdout || payload[1] != 'x' {
			return fmt.Errorf("the echo of x is %q", payload)
		}
		times = append(times, time.Since(sent))
	}
	return writeFigures(map[string]any{
		"bytes": spec.Bytes, "seconds": took, "cpuSeconds": after - before, "echo": percentilesOf(times),
	})
}

func streamOnce(spec *execSpec) error {
	conn, buffered, err := openExec(&spec.Target, fmt.Sprintf("command=stream&command=%d&stdout=true", spec.Bytes))
	if err != nil {
		return err
	}
	defer conn.Close()
	var got int64
	for {
		opcode, payload, err := readMessage(buffered.Reader, false)
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", got, err)
		}
		switch {
		case opcode == 8:
			return fmt.Errorf("closed after %d bytes without a status: %q", got, payload)
		case len(payload) > 0 && payload[0] == channelStdout:
			got += int64(len(payload) - 1)
		case len(payload) > 0 && payload[0] == channelStatus:
			if got != spec.Bytes {
				return fmt.Errorf("%d bytes came, not %d", got, spec.Bytes)
			}
			return nil
		}
	}
}
