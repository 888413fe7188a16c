package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

type upstreamSpec struct {
	Address       string `json:"address"`
	Certificate   string `json:"certificate"`
	Key           string `json:"key"`
	SmallBytes    int    `json:"smallBytes"`
	ListBytes     int    `json:"listBytes"`
	EventBytes    int    `json:"eventBytes"`
	StreamsMax    int    `json:"streamsMax"`
	ControlListen string `json:"controlAddress"`
}

// An API server's stand-in: a pod, a list, watches at a rate, creates, token and access reviews, exec streams.
type upstream struct {
	spec   upstreamSpec
	small  []byte
	list   []byte
	mutex  sync.Mutex
	events map[int]chan []byte
	next   int
}

func runUpstream() error {
	var spec upstreamSpec
	if err := readSpec(&spec); err != nil {
		return err
	}
	u := &upstream{spec: spec, events: map[int]chan []byte{}}
	u.small = podJSON("small", spec.SmallBytes)
	u.list = listJSON(spec.ListBytes)
	control := &http.Server{Addr: spec.ControlListen, Handler: http.HandlerFunc(u.control)}
	go func() { panic(control.ListenAndServe()) }()
	server := &http.Server{
		Addr:      spec.Address,
		Handler:   u,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: spec.StreamsMax},
	}
	fmt.Println("ready")
	return server.ListenAndServeTLS(spec.Certificate, spec.Key)
}

// podJSON is a pod of exactly `bytes` bytes, padded in an annotation.
func podJSON(name string, bytes int) []byte {
	head := fmt.Sprintf(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":%q,"namespace":"default","uid":"7a0c1c1e-0000-4000-8000-000000000001","resourceVersion":"100","annotations":{"padding":"`, name)
	tail := `"}},"spec":{"containers":[{"name":"main","image":"registry.example/app:1"}],"serviceAccountName":"default"},"status":{"phase":"Running"}}`
	return []byte(head + strings.Repeat("x", max(0, bytes-len(head)-len(tail))) + tail)
}

func listJSON(bytes int) []byte {
	var text strings.Builder
	text.WriteString(`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"100"},"items":[`)
	for n := 0; text.Len()+2048+3 < bytes; n++ {
		if n > 0 {
			text.WriteByte(',')
		}
		text.Write(podJSON(fmt.Sprintf("pod-%d", n), 2048))
	}
	// JSON may end in white space: the length is exact without a last odd pod.
	return []byte(text.String() + "]}" + strings.Repeat(" ", max(0, bytes-text.Len()-2)))
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/api/v1/namespaces/default/pods/small":
		answer(w, http.StatusOK, u.small)
	case r.Method == http.MethodGet && r.URL.Path == "/api/v1/namespaces/default/pods":
		if r.URL.Query().Get("watch") != "" {
			u.watch(w, r)
			return
		}
		answer(w, http.StatusOK, u.list)
	case strings.HasSuffix(r.URL.Path, "/pods/small/exec"):
		serveExec(w, r)
	case r.Method == http.MethodPost:
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return
		}
		u.post(w, r, body)
	case r.URL.Path == "/version":
		answer(w, http.StatusOK, []byte(`{"major":"1","minor":"35","gitVersion":"v1.35.0"}`))
	default:
		answer(w, http.StatusNotFound, []byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","code":404}`))
	}
}

func answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// post answers creates with what was sent, and the two reviews that kube-rbac-proxy asks for with yes.
func (u *upstream) post(w http.ResponseWriter, r *http.Request, body []byte) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/tokenreviews"):
		answer(w, http.StatusCreated, []byte(`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"authenticated":true,"user":{"username":"bench","groups":["bench"]},"audiences":["bench"]}}`))
	case strings.HasSuffix(r.URL.Path, "/subjectaccessreviews"):
		answer(w, http.StatusCreated, []byte(`{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{},"status":{"allowed":true}}`))
	default:
		answer(w, http.StatusCreated, body)
	}
}

func (u *upstream) watch(w http.ResponseWriter, r *http.Request) {
	lines := make(chan []byte, 64)
	u.mutex.Lock()
	id := u.next
	u.next++
	u.events[id] = lines
	u.mutex.Unlock()
	defer func() {
		u.mutex.Lock()
		delete(u.events, id)
		u.mutex.Unlock()
	}()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flusher := w.(http.Flusher)
	flusher.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case line := <-lines:
			if _, err := w.Write(line); err != nil {
				return
			}
			flusher.Flush()
		}
	}
}

// control takes /open (how many watches are open) and /events?rate=800&seconds=10 (sends, and says how many were sent).
func (u *upstream) control(w http.ResponseWriter, r *http.Request) {
	var figures any
	switch r.URL.Path {
	case "/open":
		u.mutex.Lock()
		figures = map[string]int{"open": len(u.events)}
		u.mutex.Unlock()
	case "/events":
		rate, _ := strconv.Atoi(r.URL.Query().Get("rate"))
		seconds, _ := strconv.Atoi(r.URL.Query().Get("seconds"))
		figures = u.send(max(1, rate), time.Duration(seconds)*time.Second)
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	json.NewEncoder(w).Encode(figures)
}

// send spreads `rate` events a second over the open watches, one after another. Each carries when it was sent.
func (u *upstream) send(rate int, lasts time.Duration) map[string]int {
	u.mutex.Lock()
	watches := make([]chan []byte, 0, len(u.events))
	for _, lines := range u.events {
		watches = append(watches, lines)
	}
	u.mutex.Unlock()
	sent, dropped := 0, 0
	pod := podJSON("small", u.spec.EventBytes-64)
	started := time.Now()
	for len(watches) > 0 && time.Since(started) < lasts {
		due := int(time.Since(started).Seconds() * float64(rate))
		for sent+dropped < due {
			line := fmt.Appendf(nil, `{"sent":"%019d","type":"MODIFIED","object":%s}`+"\n", time.Now().UnixNano(), pod)
			select {
			case watches[(sent+dropped)%len(watches)] <- line:
				sent++
			default:
				dropped++
			}
		}
		time.Sleep(500 * time.Microsecond)
	}
	return map[string]int{"sent": sent, "dropped": dropped}
}
