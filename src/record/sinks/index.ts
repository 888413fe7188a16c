/** The record pushed to other services: one file a kind, and the loop that pushes one of them. */
export { opaSink } from './opa.ts';
export { otlpSink } from './otlp.ts';
export { SinkPush, type SinkCounts, type SinkStatus } from './push.ts';
export type { Sink } from './sink.ts';
export type { SinkHolder, SinkRow, SinkStore } from './sink-store.ts';
export { syslogSink, type SyslogServer } from './syslog.ts';
export { webhookSink } from './webhook.ts';
