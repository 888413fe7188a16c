// Command protobuf-table writes what src/kube must know of Kubernetes' protobuf messages, and the vectors that prove it.
//
//	go run ./protobuf-table table  > ../../src/kube/protobuf-table.ts
//	go run ./protobuf-table golden > ../kube/protobuf-golden.jsonl
//	go run ./protobuf-table encode < objects.jsonl > messages.txt
//
// `table` reads the struct tags of every kind that a typed client can send (client-go's, apiextensions' and the
// aggregator's schemes) by reflection: names, field numbers, what JSON omits. `golden` fills one object of every kind,
// so that every field of every type is filled at least once, and gives its protobuf form and the JSON of what
// apimachinery reads back from it. `encode` makes a protobuf message (base64) of each JSON object on a line.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"sort"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	kubernetesscheme "k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	apiregistrationv1beta1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1beta1"
)

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		kubernetesscheme.AddToScheme,
		apiextensionsv1.AddToScheme,
		apiextensionsv1beta1.AddToScheme,
		apiregistrationv1.AddToScheme,
		apiregistrationv1beta1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}

// protobufKinds lists the kinds with a protobuf form, in order. A watch event has no type of its own (TypeMeta), and
// no request carries one.
func protobufKinds(scheme *runtime.Scheme) []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for kind := range scheme.AllKnownTypes() {
		object, err := scheme.New(kind)
		utilruntime.Must(err)
		_, isMessage := object.(interface {
			Marshal() ([]byte, error)
			Unmarshal([]byte) error
		})
		if kind.Version != runtime.APIVersionInternal && isMessage && kind.Kind != "WatchEvent" {
			kinds = append(kinds, kind)
		}
	}
	sort.Slice(kinds, func(i, j int) bool {
		a, b := kinds[i], kinds[j]
		if a.GroupVersion() != b.GroupVersion() {
			return a.GroupVersion().String() < b.GroupVersion().String()
		}
		return a.Kind < b.Kind
	})
	return kinds
}

func encode(scheme *runtime.Scheme) {
	read := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Strict: true})
	write := protobuf.NewSerializer(scheme, scheme)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		object, _, err := read.Decode(lines.Bytes(), nil, nil)
		utilruntime.Must(err)
		var message bytes.Buffer
		utilruntime.Must(write.Encode(object, &message))
		fmt.Println(base64.StdEncoding.EncodeToString(message.Bytes()))
	}
	utilruntime.Must(lines.Err())
}

func main() {
	scheme := newScheme()
	command := ""
	if len(os.Args) == 2 {
		command = os.Args[1]
	}
	switch command {
	case "table":
		writeTable(scheme)
	case "golden":
		writeGolden(scheme)
	case "encode":
		encode(scheme)
	default:
		fmt.Fprintln(os.Stderr, "usage: protobuf-table table|golden|encode")
		os.Exit(2)
	}
}
