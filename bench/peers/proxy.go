package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

type proxySpec struct {
	Address     string `json:"address"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	Authority   string `json:"ca"`
	Upstream    string `json:"upstream"`
	HTTP2       bool   `json:"http2"`
}

// Buffers are kept, as any careful user of ReverseProxy does.
type bufferPool struct{ pool sync.Pool }

func (b *bufferPool) Get() []byte {
	if kept, ok := b.pool.Get().(*[]byte); ok {
		return *kept
	}
	return make([]byte, 32*1024)
}
func (b *bufferPool) Put(buffer []byte) { b.pool.Put(&buffer) }

func authorityPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

// The peer: Go's ReverseProxy with TLS on both sides, deciding nothing and recording nothing.
func runProxy() error {
	var spec proxySpec
	if err := readSpec(&spec); err != nil {
		return err
	}
	target, err := url.Parse(spec.Upstream)
	if err != nil {
		return err
	}
	pool, err := authorityPool(spec.Authority)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2:   spec.HTTP2,
		MaxIdleConnsPerHost: 1024,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:  transport,
		BufferPool: &bufferPool{},
	}
	server := &http.Server{Addr: spec.Address, Handler: proxy, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	fmt.Println("ready")
	return server.ListenAndServeTLS(spec.Certificate, spec.Key)
}
