// Command clients is client-go as the acceptance run's client: typed clients that speak protobuf, and an informer.
//
//	clients kinds    KUBECONFIG NAMESPACE                              creates, updates, patches and deletes objects of 12 kinds
//	clients informer KUBECONFIG NAMESPACE DURATION CHANGES WATCHES     watches config maps while they change, with at most
//	                                                                   WATCHES watches
//
// Prints one line of JSON for each operation: {"name": ..., "facts": {...}}, or {"name": ..., "error": ...}.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const protobuf = "application/vnd.kubernetes.protobuf"

type facts map[string]any

func main() {
	log.SetFlags(0)
	if len(os.Args) < 4 {
		log.Fatal("clients kinds|informer KUBECONFIG NAMESPACE [DURATION CHANGES WATCHES]")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	config.ContentType = protobuf
	config.AcceptContentTypes = protobuf
	config.QPS, config.Burst = 200, 200
	counter := &counter{}
	config.Wrap(counter.wrap)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	switch {
	case os.Args[1] == "kinds":
		runKinds(client, os.Args[3], counter)
	case os.Args[1] == "informer" && len(os.Args) == 7:
		duration, err := time.ParseDuration(os.Args[4])
		if err != nil {
			log.Fatal(err)
		}
		changes, err := strconv.Atoi(os.Args[5])
		if err != nil {
			log.Fatal(err)
		}
		watches, err := strconv.Atoi(os.Args[6])
		if err != nil {
			log.Fatal(err)
		}
		runInformer(client, os.Args[3], duration, changes, watches, counter)
	default:
		log.Fatalf("no command %q", os.Args[1:])
	}
}

func report(name string, seen facts, err error) {
	line := map[string]any{"name": name, "facts": seen}
	if err != nil {
		line = map[string]any{"name": name, "error": err.Error()}
	}
	text, err := json.Marshal(line)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}

// counter counts what goes over the wire: lists and watches of config maps, and media types.
type counter struct {
	mu       sync.Mutex
	lists    int
	watches  int
	sent     map[string]int
	received map[string]int
}

func (c *counter) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.sent == nil {
			c.sent, c.received = map[string]int{}, map[string]int{}
		}
		if request.Body != nil && request.Method != http.MethodPatch && request.Method != http.MethodDelete {
			c.sent[request.Header.Get("Content-Type")]++
		}
		if err == nil {
			media, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
			c.received[media]++
		}
		if request.Method == http.MethodGet && strings.HasSuffix(request.URL.Path, "/configmaps") {
			if request.URL.Query().Get("watch") == "" {
				c.lists++
			} else {
				c.watches++
			}
		}
		return response, err
	})
}

// mediaTypes names those that were sent and received, in order.
func (c *counter) mediaTypes() (sent, received string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return names(c.sent), names(c.received)
}

func (c *counter) counts() (lists, watches int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lists, c.watches
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// forgetLists sets the count of lists back to before those that compare.
func (c *counter) forgetLists(lists int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists = lists
}
