// Command audit-judge reads audit events, one a line, as strictly as Kubernetes can: no unknown field, none in another case,
// none twice. It answers each with an empty line, or with what is wrong.
//
//	go run ./audit-judge < events.jsonl
//
// Judges: k8s.io/apiserver/pkg/apis/audit/v1 (the type), sigs.k8s.io/json (the strict reader of the API server).
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/json"
)

func judge(line []byte) string {
	var event auditv1.Event
	strict, err := json.UnmarshalStrict(line, &event)
	if err != nil {
		return err.Error()
	}
	if len(strict) > 0 {
		return strict[0].Error()
	}
	switch {
	case event.Kind != "Event" || event.APIVersion != auditv1.SchemeGroupVersion.String():
		return "is no Event of " + auditv1.SchemeGroupVersion.String()
	case event.Level != auditv1.LevelMetadata:
		return "level " + string(event.Level)
	case event.Stage != auditv1.StageRequestReceived && event.Stage != auditv1.StageResponseComplete:
		return "stage " + string(event.Stage)
	case event.AuditID == "":
		return "no auditID"
	case event.RequestReceivedTimestamp.IsZero() || event.StageTimestamp.IsZero():
		return "a time is missing"
	case event.StageTimestamp.Before(&event.RequestReceivedTimestamp):
		return "ends before it began"
	}
	return ""
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		fmt.Println(strings.ReplaceAll(judge(lines.Bytes()), "\n", " "))
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
