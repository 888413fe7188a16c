package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

// A filler fills every field of a type the first time it meets it, and few later, so that each is filled somewhere and
// the fixture stays small.
type filler struct {
	random *rand.Rand
	filled map[reflect.Type]map[int]int
	turns  map[reflect.Type]int
	depth  int
}

const fillsOfAField = 2

// Below this depth only what was not filled before is filled: schemas hold schemas.
const chanceDepth = 8

var texts = []string{"a", "web-0", "ü→𝄞", `"<&>\`, "line\nbreak", "  ", "0", "k8s\x00"}
var quantities = []string{"0", "1", "500m", "1Gi", "-3", "1e3", "12E", "0.5", "100n", "1500Ki"}
var integers = []int64{1, -1, 80, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64, 1 << 53}
var jsons = []string{`{"f:a":{".":{},"f:b":{}}}`, `{"n":[1,2.5,null,"<"],"m":{}}`}

func pick[T any](random *rand.Rand, from []T) T { return from[random.Intn(len(from))] }

// special fills the types of `forms`; false for any other.
func (f *filler) special(value reflect.Value) bool {
	switch at := value.Addr().Interface().(type) {
	case *metav1.Time:
		at.Time = time.Unix(f.random.Int63n(253402300800+62135596799)-62135596799, 0)
	case *metav1.MicroTime:
		at.Time = time.Unix(f.random.Int63n(4e9), 1000*f.random.Int63n(1e6))
	case *metav1.Duration:
		at.Duration = time.Duration(pick(f.random, []int64{1, 1500, 2500000, -90 * 1e9, 3600e9, 93784e9 + 5e6, math.MinInt64}))
	case *resource.Quantity:
		*at = resource.MustParse(pick(f.random, quantities))
	case *intstr.IntOrString:
		*at = pick(f.random, []intstr.IntOrString{intstr.FromInt32(8080), intstr.FromString("50%"), intstr.FromInt32(-1)})
	default:
		switch forms[value.Type()].form {
		case "raw-json", "raw-extension":
			value.FieldByName("Raw").SetBytes([]byte(pick(f.random, jsons)))
		case "or-bool", "or-list":
			// Either a schema or something else, in turns: both at once say two things.
			f.turns[value.Type()]++
			turn := f.turns[value.Type()]
			if turn%2 == 1 {
				f.fill(value.FieldByName("Schema"))
			}
			if allows := value.FieldByName("Allows"); allows.IsValid() {
				allows.SetBool(turn%4 != 0)
			} else if value.FieldByName("Schema").IsNil() {
				f.fill(value.Field(1))
			}
		default:
			return false
		}
	}
	return true
}

func (f *filler) fill(value reflect.Value) {
	if f.special(value) {
		return
	}
	switch value.Kind() {
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		f.fill(value.Elem())
	case reflect.Struct:
		// What is there has something in it: an empty message would prove little of its field.
		if !f.fields(value) && value.NumField() > 0 {
			f.fill(value.Field(value.NumField() - 1))
		}
	case reflect.Map:
		value.Set(reflect.MakeMap(value.Type()))
		for range 1 + f.random.Intn(2) {
			key, element := reflect.New(value.Type().Key()).Elem(), reflect.New(value.Type().Elem()).Elem()
			key.SetString(pick(f.random, append(texts, "__proto__", "")))
			f.fill(element)
			value.SetMapIndex(key, element)
		}
	case reflect.Slice:
		if value.Type().Elem().Kind() == reflect.Uint8 {
			value.SetBytes([]byte(pick(f.random, []string{"", "x", "\x00\xff\xfe", "pem"})))
			return
		}
		for range 1 + f.random.Intn(2) {
			element := reflect.New(value.Type().Elem()).Elem()
			f.fill(element)
			value.Set(reflect.Append(value, element))
		}
	case reflect.String:
		value.SetString(pick(f.random, texts))
	case reflect.Bool:
		value.SetBool(f.random.Intn(4) > 0)
	case reflect.Int32:
		value.SetInt(int64(int32(pick(f.random, integers))))
	case reflect.Int64:
		value.SetInt(pick(f.random, integers))
	case reflect.Float64:
		value.SetFloat(pick(f.random, []float64{0.5, -1e300, 3, 1e-7, 1 << 60}))
	default:
		panic(fmt.Sprintf("no way to fill a %v", value.Type()))
	}
}

// fields tells whether it filled any.
func (f *filler) fields(value reflect.Value) (any bool) {
	f.depth++
	defer func() { f.depth-- }()
	t := value.Type()
	if f.filled[t] == nil {
		f.filled[t] = map[int]int{}
	}
	for i := range t.NumField() {
		switch {
		case t.Field(i).Type == typeOf[metav1.TypeMeta]():
		case f.filled[t][i] < fillsOfAField || f.depth < chanceDepth && f.random.Intn(12) == 0:
			f.filled[t][i]++
			f.fill(value.Field(i))
			any = true
		case value.Field(i).Kind() == reflect.Struct:
			if _, known := forms[t.Field(i).Type]; !known {
				any = f.fields(value.Field(i)) || any
			}
		}
	}
	return any
}

type golden struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Message    string          `json:"message"`
	JSON       json.RawMessage `json:"json"`
	// What an empty message of the kind is in JSON.
	Empty json.RawMessage `json:"empty"`
}

func jsonOf(object runtime.Object, kind schema.GroupVersionKind) json.RawMessage {
	object.GetObjectKind().SetGroupVersionKind(kind)
	text, err := json.Marshal(object)
	utilruntime.Must(err)
	return text
}

func writeGolden(scheme *runtime.Scheme) {
	serializer := protobuf.NewSerializer(scheme, scheme)
	filled, turns := map[reflect.Type]map[int]int{}, map[reflect.Type]int{}
	for _, kind := range protobufKinds(scheme) {
		hash := fnv.New64a()
		hash.Write([]byte(kind.String()))
		object, err := scheme.New(kind)
		utilruntime.Must(err)
		empty := jsonOf(object.DeepCopyObject(), kind)
		(&filler{rand.New(rand.NewSource(int64(hash.Sum64()))), filled, turns, 0}).fill(reflect.ValueOf(object).Elem())
		object.GetObjectKind().SetGroupVersionKind(kind)
		var message bytes.Buffer
		utilruntime.Must(serializer.Encode(object, &message))
		read, _, err := serializer.Decode(message.Bytes(), nil, nil)
		utilruntime.Must(err)
		line, err := json.Marshal(golden{
			kind.GroupVersion().String(), kind.Kind,
			base64.StdEncoding.EncodeToString(message.Bytes()), jsonOf(read, kind), empty,
		})
		utilruntime.Must(err)
		fmt.Printf("%s\n", line)
	}
}
