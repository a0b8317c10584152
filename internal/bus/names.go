package bus

import "strings"

// The names that the broker knows queues, calls and buckets by.

const advisoryStream = "ADVISORY"

func queueStream(queue string) string            { return strings.ToUpper(queue) }
func queueSubject(queue string) string           { return "q." + queue }
func queueConsumer(queue, service string) string { return queue + "-" + service }
func deadStream(dlq string) string               { return strings.ToUpper(dlq) }
func deadSubject(dlq, queue string) string       { return dlq + "." + queue }
func callSubject(call string) string             { return "call." + call }
func callService(call string) string             { return strings.ReplaceAll(call, ".", "-") }
func bucketStream(bucket string) string          { return "KV_" + bucket }
func inboxPrefix(identity string) string         { return "_INBOX_" + identity }
