// Command kube-judge answers, line by line, what the API server's own code makes of an input. It is the judge of
// src/kube: test/kube/golden.jsonl holds recorded answers, test/cluster/kube-judge.test.ts asks it live.
//
//	go run ./kube-judge < inputs.jsonl > golden.jsonl
//
// Judges: net/url, k8s.io/apiserver/pkg/endpoints/request (RequestInfo), k8s.io/apimachinery/pkg/{fields,labels},
// sigs.k8s.io/yaml.
package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"os"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"sigs.k8s.io/yaml"
)

type input struct {
	Kind   string `json:"kind"`
	Method string `json:"method,omitempty"`
	Text   string `json:"text"`
}

type fieldTerm struct {
	Field    string `json:"field"`
	Operator string `json:"operator"`
	Value    string `json:"value"`
}

type info struct {
	IsResourceRequest bool     `json:"isResourceRequest"`
	Path              string   `json:"path"`
	Verb              string   `json:"verb"`
	APIPrefix         string   `json:"apiPrefix"`
	APIGroup          string   `json:"apiGroup"`
	APIVersion        string   `json:"apiVersion"`
	Namespace         string   `json:"namespace"`
	Resource          string   `json:"resource"`
	Subresource       string   `json:"subresource"`
	Name              string   `json:"name"`
	Parts             []string `json:"parts"`
	FieldSelector     string   `json:"fieldSelector"`
	LabelSelector     string   `json:"labelSelector"`
}

type output struct {
	input
	Error string      `json:"error,omitempty"`
	Path  string      `json:"path,omitempty"`
	Query url.Values  `json:"query,omitempty"`
	Info  *info       `json:"info,omitempty"`
	Terms []fieldTerm `json:"terms,omitempty"`
	JSON  string      `json:"json,omitempty"`
}

var resolver = request.RequestInfoFactory{
	APIPrefixes:          sets.NewString("api", "apis"),
	GrouplessAPIPrefixes: sets.NewString("api"),
}

func judge(in input) output {
	out := output{input: in}
	fail := func(err error) output { out.Error = err.Error(); return out }
	switch in.Kind {
	case "request":
		target, err := url.ParseRequestURI(in.Text)
		if err != nil {
			return fail(err)
		}
		query, err := url.ParseQuery(target.RawQuery)
		if err != nil {
			return fail(err)
		}
		out.Path, out.Query = target.Path, query
		made, err := resolver.NewRequestInfo(&http.Request{Method: in.Method, URL: target})
		if err != nil {
			return fail(err)
		}
		out.Info = &info{made.IsResourceRequest, made.Path, made.Verb, made.APIPrefix, made.APIGroup, made.APIVersion,
			made.Namespace, made.Resource, made.Subresource, made.Name, append([]string{}, made.Parts...),
			made.FieldSelector, made.LabelSelector}
	case "field":
		selector, err := fields.ParseSelector(in.Text)
		if err != nil {
			return fail(err)
		}
		for _, one := range selector.Requirements() {
			out.Terms = append(out.Terms, fieldTerm{one.Field, string(one.Operator), one.Value})
		}
	case "label":
		if _, err := labels.Parse(in.Text); err != nil {
			return fail(err)
		}
	case "yaml":
		made, err := yaml.YAMLToJSONStrict([]byte(in.Text))
		if err != nil {
			return fail(err)
		}
		out.JSON = string(made)
	}
	return out
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 1<<20), 1<<24)
	writer := json.NewEncoder(os.Stdout)
	writer.SetEscapeHTML(false)
	for lines.Scan() {
		var in input
		if err := json.Unmarshal(lines.Bytes(), &in); err != nil {
			panic(err)
		}
		if err := writer.Encode(judge(in)); err != nil {
			panic(err)
		}
	}
}
