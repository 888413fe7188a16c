package main

import (
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A field as the table has it: `name`, field number, cardinality, type, and what JSON leaves out.
//
//	cardinality  . single   ? pointer   * repeated   % map (key is a string)   > embedded: its fields join the parent's
//	type         s string  b bool  i int32  l int64  d double  y bytes, or the number of a message
//	omits        - omitempty   -~ omitempty and omitzero
type field struct {
	name, number, cardinality, scalar, omits string
	message                                  reflect.Type
}

// A message: `form` names the types that JSON does not write as an object with these fields.
type message struct {
	form   string
	fields []field
}

// The types with a JSON form of their own. Fields of these keep what was there and what was not ("?").
var forms = map[reflect.Type]message{
	typeOf[metav1.Time]():                                       {"time", []field{optional("seconds", 1, "l"), optional("nanos", 2, "i")}},
	typeOf[metav1.MicroTime]():                                  {"micro-time", []field{optional("seconds", 1, "l"), optional("nanos", 2, "i")}},
	typeOf[metav1.Duration]():                                   {"duration", []field{optional("duration", 1, "l")}},
	typeOf[resource.Quantity]():                                 {"quantity", []field{optional("string", 1, "s")}},
	typeOf[intstr.IntOrString]():                                {"int-or-string", []field{optional("type", 1, "l"), optional("int", 2, "i"), optional("string", 3, "s")}},
	typeOf[runtime.RawExtension]():                              {"raw-extension", []field{optional("raw", 1, "y")}},
	typeOf[metav1.FieldsV1]():                                   {"raw-json", []field{optional("raw", 1, "y")}},
	typeOf[apiextensionsv1.JSON]():                              {"raw-json", []field{optional("raw", 1, "y")}},
	typeOf[apiextensionsv1beta1.JSON]():                         {"raw-json", []field{optional("raw", 1, "y")}},
	typeOf[apiextensionsv1.JSONSchemaPropsOrBool]():             schemaOr[apiextensionsv1.JSONSchemaProps]("or-bool", 2, "allows", 1, "?b"),
	typeOf[apiextensionsv1.JSONSchemaPropsOrArray]():            schemaOr[apiextensionsv1.JSONSchemaProps]("or-list", 1, "list", 2, "*"),
	typeOf[apiextensionsv1.JSONSchemaPropsOrStringArray]():      schemaOr[apiextensionsv1.JSONSchemaProps]("or-list", 1, "list", 2, "*s"),
	typeOf[apiextensionsv1beta1.JSONSchemaPropsOrBool]():        schemaOr[apiextensionsv1beta1.JSONSchemaProps]("or-bool", 2, "allows", 1, "?b"),
	typeOf[apiextensionsv1beta1.JSONSchemaPropsOrArray]():       schemaOr[apiextensionsv1beta1.JSONSchemaProps]("or-list", 1, "list", 2, "*"),
	typeOf[apiextensionsv1beta1.JSONSchemaPropsOrStringArray](): schemaOr[apiextensionsv1beta1.JSONSchemaProps]("or-list", 1, "list", 2, "*s"),
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

func optional(name string, number int, scalar string) field {
	return field{name: name, number: strconv.Itoa(number), cardinality: "?", scalar: scalar}
}

// schemaOr is a message of a JSON schema, or of something else: `other` is its cardinality and, for a scalar, its type.
func schemaOr[Schema any](form string, schemaNumber int, name string, number int, other string) message {
	schema := optional("schema", schemaNumber, "")
	schema.message = typeOf[Schema]()
	either := field{name: name, number: strconv.Itoa(number), cardinality: other[:1], scalar: other[1:]}
	if either.scalar == "" {
		either.message = schema.message
	}
	return message{form, []field{schema, either}}
}

// scalarOf gives the letter of a type; empty for a message.
func scalarOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Int32:
		return "i"
	case reflect.Int64:
		return "l"
	case reflect.Float64:
		return "d"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "y"
		}
	}
	return ""
}

// isListMessage tells the named slices that are messages of their own (Verbs, ExtraValue: protobuf's nullable lists).
func isListMessage(t reflect.Type) bool {
	_, marshals := reflect.PointerTo(t).MethodByName("MarshalToSizedBuffer")
	return t.Kind() == reflect.Slice && marshals
}

func messageOf(t reflect.Type) message {
	if known, ok := forms[t]; ok {
		return known
	}
	if isListMessage(t) {
		return message{"list", []field{{name: "items", number: "1", cardinality: "*", scalar: scalarOf(t.Elem())}}}
	}
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("%v is no message", t))
	}
	if _, hasForm := t.MethodByName("MarshalJSON"); hasForm {
		panic(fmt.Sprintf("%v has a JSON form of its own, which is not known", t))
	}
	var made message
	for i := range t.NumField() {
		if f, ok := fieldOf(t, t.Field(i)); ok {
			made.fields = append(made.fields, f)
		}
	}
	return made
}

func fieldOf(parent reflect.Type, of reflect.StructField) (field, bool) {
	jsonTag := strings.Split(of.Tag.Get("json"), ",")
	tag := strings.Split(of.Tag.Get("protobuf"), ",")
	if len(tag) < 3 || jsonTag[0] == "-" {
		if of.Type != typeOf[metav1.TypeMeta]() {
			panic(fmt.Sprintf("%v.%s has no protobuf or JSON name", parent, of.Name))
		}
		return field{}, false
	}
	made := field{name: jsonTag[0], number: tag[1], cardinality: "."}
	for _, option := range jsonTag[1:] {
		switch option {
		case "omitempty":
			made.omits += "-"
		case "omitzero":
			made.omits += "~"
		case "inline", "":
		default:
			panic(fmt.Sprintf("%v.%s has the JSON option %s", parent, of.Name, option))
		}
	}
	t := of.Type
	switch {
	case of.Anonymous && made.name == "":
		made.cardinality = ">"
	case t.Kind() == reflect.Pointer:
		made.cardinality, t = "?", t.Elem()
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		made.cardinality, t = "%", t.Elem()
	case t.Kind() == reflect.Slice && scalarOf(t) == "" && !isListMessage(t):
		made.cardinality, t = "*", t.Elem()
	}
	if made.name == "" && made.cardinality != ">" || made.cardinality == ">" && t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("%v.%s is neither named nor embedded", parent, of.Name))
	}
	if made.scalar = scalarOf(t); made.scalar == "" {
		made.message = t
	}
	if strings.Contains(made.omits, "~") && t != typeOf[metav1.Time]() {
		panic(fmt.Sprintf("%v.%s has omitzero, which is known for times only", parent, of.Name))
	}
	return made, true
}

// A table under construction: every message that the kinds reach, in the order in which they were met.
type table struct {
	order    []reflect.Type
	messages map[reflect.Type]message
}

func (made *table) add(t reflect.Type) {
	if _, known := made.messages[t]; known {
		return
	}
	made.order = append(made.order, t)
	made.messages[t] = messageOf(t)
	for _, f := range made.messages[t].fields {
		if f.message != nil {
			made.add(f.message)
		}
	}
}

func (made *table) line(t reflect.Type, number map[reflect.Type]int) string {
	of := made.messages[t]
	words := []string{of.form + "!"} // "!" alone is a plain object
	for _, f := range of.fields {
		target := f.scalar
		if f.message != nil {
			target = strconv.Itoa(number[f.message])
		}
		words = append(words, f.name+"="+f.number+f.cardinality+target+f.omits)
	}
	return strings.Join(words, " ")
}

// classes numbers the messages so that equal ones, which are most between two versions of a group, have one number:
// two are equal while their lines are, and lines are told apart by the numbers of the round before.
func (made *table) classes() (map[reflect.Type]int, []string) {
	number := map[reflect.Type]int{}
	for count := 0; ; {
		var lines []string
		seen := map[string]int{}
		next := map[reflect.Type]int{}
		for _, t := range made.order {
			line := made.line(t, number)
			if _, known := seen[line]; !known {
				seen[line] = len(lines)
				lines = append(lines, line)
			}
			next[t] = seen[line]
		}
		if len(lines) == count {
			return number, lines
		}
		number, count = next, len(lines)
	}
}

func writeTable(scheme *runtime.Scheme) {
	made := table{messages: map[reflect.Type]message{}}
	kinds := protobufKinds(scheme)
	types := scheme.AllKnownTypes()
	// Options of meta/v1 are registered in every group and version, always as the same type.
	groups := map[string]bool{}
	uses := map[string]int{}
	for _, kind := range kinds {
		made.add(types[kind])
		groups[kind.GroupVersion().String()] = true
		if strings.HasSuffix(types[kind].PkgPath(), "apis/meta/v1") {
			uses[kind.Kind]++
		}
	}
	numbers, lines := made.classes()
	words := map[string][]string{}
	for _, kind := range kinds {
		at := kind.GroupVersion().String()
		if uses[kind.Kind] == len(groups) {
			at = "*"
		}
		word := kind.Kind + "=" + strconv.Itoa(numbers[types[kind]])
		if at != "*" || len(words[at]) == 0 || !strings.Contains(" "+strings.Join(words[at], " ")+" ", " "+word+" ") {
			words[at] = append(words[at], word)
		}
	}
	versions := make([]string, 0, len(words))
	for version := range words {
		versions = append(versions, version)
	}
	sort.Strings(versions)
	fmt.Printf(`/* eslint-disable max-lines -- generated by test/cluster/protobuf-table, one message a line */

/** Where a kind's message stands in %[1]s, by apiVersion; "*" is for options, which are the same in all. */
export const protobufKindsText = %[2]s
`, "`protobufMessagesText`", "`")
	for _, version := range versions {
		fmt.Println(version + " " + strings.Join(words[version], " "))
	}
	fmt.Printf(`%[1]s;

/** The messages of Kubernetes' built-in kinds, numbered by their lines; protobuf-schema.ts says how to read one. */
export const protobufMessagesText = %[1]s
`, "`")
	for _, line := range lines {
		fmt.Println(line)
	}
	fmt.Println("`;")
}
