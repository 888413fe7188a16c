package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// One request, and what its answer must be: a 403 is fast.
type request struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Token   string `json:"token"`
	Body    string `json:"body"`
	Status  int    `json:"status"`
	Bytes   int64  `json:"bytes"`
	headers [][2]string
}

// A place that requests are sent to, with the processes whose CPU is counted.
type target struct {
	Name      string  `json:"name"`
	URL       string  `json:"url"`
	Authority string  `json:"ca"`
	Protocol  string  `json:"protocol"`
	Pids      []int   `json:"pids"`
	Request   request `json:"request"`
	pool      *x509.CertPool
	host      string
	plain     bool
}

func (t *target) prepare() error {
	parsed, err := url.Parse(t.URL)
	if err != nil {
		return err
	}
	t.host, t.plain = parsed.Host, parsed.Scheme == "http"
	if t.Request.Method == "" {
		t.Request.Method = "GET"
	}
	t.Request.headers = [][2]string{{"user-agent", "kubectl/v1.35.0"}, {"accept", "application/json"}}
	if t.Request.Token != "" {
		t.Request.headers = append(t.Request.headers, [2]string{"authorization", "Bearer " + t.Request.Token})
	}
	if t.Request.Body != "" {
		t.Request.headers = append(t.Request.headers,
			[2]string{"content-type", "application/json"},
			[2]string{"content-length", strconv.Itoa(len(t.Request.Body))})
	}
	if !t.plain && t.pool == nil {
		t.pool, err = authorityPool(t.Authority)
	}
	return err
}

// A connection with one request under way at a time. The clients are written by hand so that the load's own cost is
// small beside the subject's, and the same for all subjects.
type connection interface {
	do(r *request) error
	close()
}

func dialTLS(t *target, protocol string) (net.Conn, error) {
	if t.plain {
		return net.DialTimeout("tcp", t.host, 10*time.Second)
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	config := &tls.Config{RootCAs: t.pool, NextProtos: []string{protocol}, ServerName: "localhost"}
	connected, err := tls.DialWithDialer(dialer, "tcp", t.host, config)
	if err != nil {
		return nil, err
	}
	if got := connected.ConnectionState().NegotiatedProtocol; got != protocol && protocol == "h2" {
		connected.Close()
		return nil, fmt.Errorf("%s speaks %q, not %s", t.Name, got, protocol)
	}
	return connected, nil
}

func dial(t *target) (connection, error) {
	if t.Protocol == "h2" {
		return dialHTTP2(t)
	}
	connected, err := dialTLS(t, "http/1.1")
	if err != nil {
		return nil, err
	}
	return &http1Connection{conn: connected, host: t.host, reader: bufio.NewReaderSize(connected, 64*1024)}, nil
}

func checkAnswer(r *request, status int, got int64, sample []byte) error {
	if status == r.Status && (r.Bytes == 0 || got == r.Bytes) {
		return nil
	}
	return fmt.Errorf("answered %d with %d bytes, not %d with %d: %.300s", status, got, r.Status, r.Bytes, sample)
}

type http1Connection struct {
	conn   net.Conn
	host   string
	reader *bufio.Reader
	wire   []byte
	of     *request
}

func (c *http1Connection) close() { c.conn.Close() }

func (c *http1Connection) do(r *request) error {
	if c.of != r {
		var text bytes.Buffer
		fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nhost: %s\r\n", r.Method, r.Path, c.host)
		for _, header := range r.headers {
			fmt.Fprintf(&text, "%s: %s\r\n", header[0], header[1])
		}
		fmt.Fprintf(&text, "\r\n%s", r.Body)
		c.wire, c.of = text.Bytes(), r
	}
	if _, err := c.conn.Write(c.wire); err != nil {
		return err
	}
	status, length, chunked, err := c.head()
	if err != nil {
		return err
	}
	var sample []byte
	if status != r.Status {
		sample, _ = c.reader.Peek(min(c.reader.Buffered(), 300))
		sample = append([]byte{}, sample...)
	}
	got := length
	if chunked {
		got, err = c.chunks()
	} else {
		_, err = c.reader.Discard(int(length))
	}
	if err != nil {
		return err
	}
	return checkAnswer(r, status, got, sample)
}

func (c *http1Connection) head() (status int, length int64, chunked bool, err error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return
	}
	if len(line) < 12 {
		err = fmt.Errorf("no status line: %q", line)
		return
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return
	}
	for {
		if line, err = c.reader.ReadSlice('\n'); err != nil || len(line) <= 2 {
			return
		}
		switch {
		case hasName(line, "content-length:"):
			length, err = strconv.ParseInt(string(bytes.TrimSpace(line[15:])), 10, 64)
		case hasName(line, "transfer-encoding:"):
			chunked = bytes.Contains(bytes.ToLower(line), []byte("chunked"))
		}
		if err != nil {
			return
		}
	}
}

func hasName(line []byte, name string) bool {
	return len(line) > len(name) && strings.EqualFold(string(line[:len(name)]), name)
}

func (c *http1Connection) chunks() (int64, error) {
	var total int64
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return total, err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return total, err
		}
		if _, err = c.reader.Discard(int(size) + 2); err != nil {
			return total, err
		}
		total += size
		if size == 0 {
			return total, nil
		}
	}
}

const (
	streamWindow     = 16 << 20
	connectionWindow = 1 << 30
)

type http2Connection struct {
	conn     net.Conn
	writer   *bufio.Writer
	framer   *http2.Framer
	block    bytes.Buffer
	encoder  *hpack.Encoder
	decoder  *hpack.Decoder
	status   int
	stream   uint32
	received int64
	host     string
}

func dialHTTP2(t *target) (*http2Connection, error) {
	connected, err := dialTLS(t, "h2")
	if err != nil {
		return nil, err
	}
	c := &http2Connection{conn: connected, writer: bufio.NewWriterSize(connected, 32*1024), host: t.host, stream: 1}
	c.framer = http2.NewFramer(c.writer, bufio.NewReaderSize(connected, 64*1024))
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(1 << 20)
	c.encoder = hpack.NewEncoder(&c.block)
	c.decoder = hpack.NewDecoder(4096, func(field hpack.HeaderField) {
		if field.Name == ":status" {
			c.status, _ = strconv.Atoi(field.Value)
		}
	})
	c.writer.WriteString(http2.ClientPreface)
	c.framer.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
	c.framer.WriteWindowUpdate(0, connectionWindow-65535)
	return c, c.writer.Flush()
}

func (c *http2Connection) close() { c.conn.Close() }

func (c *http2Connection) writeRequest(r *request, stream uint32) error {
	c.block.Reset()
	c.encoder.WriteField(hpack.HeaderField{Name: ":method", Value: r.Method})
	c.encoder.WriteField(hpack.HeaderField{Name: ":scheme", Value: "https"})
	c.encoder.WriteField(hpack.HeaderField{Name: ":path", Value: r.Path})
	c.encoder.WriteField(hpack.HeaderField{Name: ":authority", Value: c.host})
	for _, header := range r.headers {
		c.encoder.WriteField(hpack.HeaderField{Name: header[0], Value: header[1]})
	}
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: r.Body == "",
	})
	if err == nil && r.Body != "" {
		err = c.framer.WriteData(stream, true, []byte(r.Body))
	}
	return err
}

// settled handles the frames that belong to the connection; false for those of a stream.
func (c *http2Connection) settled(frame http2.Frame) (bool, error) {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return true, nil
		}
		c.framer.WriteSettingsAck()
		return true, c.writer.Flush()
	case *http2.PingFrame:
		if f.IsAck() {
			return true, nil
		}
		c.framer.WritePing(true, f.Data)
		return true, c.writer.Flush()
	case *http2.GoAwayFrame:
		return true, fmt.Errorf("GOAWAY %v", f.ErrCode)
	case *http2.WindowUpdateFrame:
		return true, nil
	}
	return false, nil
}

// account gives back what was read, in large pieces.
func (c *http2Connection) account(bytes int) error {
	c.received += int64(bytes)
	if c.received < connectionWindow/4 {
		return nil
	}
	c.framer.WriteWindowUpdate(0, uint32(c.received))
	c.received = 0
	return c.writer.Flush()
}

func (c *http2Connection) do(r *request) error {
	stream := c.stream
	c.stream += 2
	if err := c.writeRequest(r, stream); err != nil {
		return err
	}
	if err := c.writer.Flush(); err != nil {
		return err
	}
	c.status = 0
	var got int64
	var sample []byte
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		if done, err := c.settled(frame); done || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		ended := false
		switch f := frame.(type) {
		case *http2.HeadersFrame:
			if _, err := c.decoder.Write(f.HeaderBlockFragment()); err != nil {
				return err
			}
			ended = f.StreamEnded()
		case *http2.ContinuationFrame:
			return errors.New("more header fields than this client reads")
		case *http2.DataFrame:
			got += int64(len(f.Data()))
			if c.status != r.Status && sample == nil {
				sample = append(sample, f.Data()...)
			}
			if err := c.account(int(f.Length)); err != nil {
				return err
			}
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			if f.StreamID == stream && f.ErrCode != http2.ErrCodeNo {
				return fmt.Errorf("stream reset: %v", f.ErrCode)
			}
		}
		if ended {
			return checkAnswer(r, c.status, got, sample)
		}
	}
}
