import { readFileSync } from 'node:fs';
import { randomIds } from '../base/ids.ts';
import { systemClock, systemSchedule } from '../base/clock.ts';
import { errorText } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Secret } from '../base/secret.ts';
import { resolveSecret, type Config, type Environment, type SinkConfig } from '../config/index.ts';
import type { PartStatus } from '../console/index.ts';
import {
  exportFormats,
  opaSink,
  otlpSink,
  SinkPush,
  syslogSink,
  webhookSink,
  type Recorder,
  type Sink,
  type SyslogServer,
} from '../record/index.ts';
import { createExportStore, createSinkStore, type Store } from '../store/index.ts';
import type { Closing, GatewayOptions } from './parts.ts';

/** Leaves that are read for one turn of a sink. */
const pageLeavesMax = 500;

/** Ports of syslog: RFC 5425 §4.1, and the `syslog-conn` of IANA. */
const syslogTlsPort = 6514;
const syslogPlainPort = 601;

/** Begins to push the record to each configured sink. Nothing waits for them, and none of them makes a start fail. */
export function openSinks(
  { record }: Pick<Config, 'record'>,
  { store, recorder }: { readonly store: Store; readonly recorder: Pick<Recorder, 'append'> },
  { env, log }: Pick<GatewayOptions, 'env' | 'log'>,
  closing: Closing[],
): readonly SinkPush[] {
  const sinkStore = createSinkStore(store);
  const { page } = createExportStore(store, systemClock, pageLeavesMax);
  const holder = randomIds.next();
  return record.sinks.map((config) => {
    const push = new SinkPush({
      sink: sinkOf(config, env),
      store: sinkStore,
      read: page,
      record: (entry) => recorder.append(entry),
      clock: systemClock,
      schedule: systemSchedule,
      random: () => Math.random(),
      log,
      holder,
      since: config.since,
      settleSeconds: 'settleSeconds' in config ? config.settleSeconds : 0,
      timeoutMs: config.timeoutSeconds * 1000,
    });
    closing.push({ name: `sink ${config.name}`, close: () => push.close() });
    push.start();
    return push;
  });
}

/** The sinks for the readiness check: one that does not take the record takes no gateway out of service. */
export function sinkParts(sinks: readonly Pick<SinkPush, 'status'>[]): PartStatus[] {
  return sinks.map((sink) => {
    const { name, problem } = sink.status();
    return { part: `sink ${name}`, ready: true, problem };
  });
}

function sinkOf(config: SinkConfig, env: Environment): Sink {
  const { name } = config;
  switch (config.kind) {
    case 'webhook': {
      const server = () => {
        const authority = textOf(config.certificateAuthority);
        if (!authority.ok) return authority;
        const secret = resolveSecret(config.secret, '.', env);
        if (!secret.ok) return secret;
        return ok({
          url: config.url,
          certificateAuthority: authority.value,
          secret: secret.value,
        });
      };
      const { body, format } = config;
      return webhookSink({ name, body, server, format: exportFormats[format], clock: systemClock });
    }
    case 'syslog': {
      const { facility, structuredDataId, messageBytesMax } = config;
      const form = { facility, structuredDataId, messageBytesMax };
      return syslogSink({ name, server: () => syslogServer(config), form, clock: systemClock });
    }
    case 'otlp': {
      const { resourceAttributes } = config;
      return otlpSink({ name, server: () => httpServer(config, env), resourceAttributes });
    }
    case 'opa':
      return opaSink({ name, server: () => httpServer(config, env) });
  }
}

type HttpServer = {
  readonly url: string;
  readonly certificateAuthority: string | null;
  readonly token: Secret | null;
};

function httpServer(
  config: Extract<SinkConfig, { readonly kind: 'otlp' | 'opa' }>,
  env: Environment,
): Result<HttpServer, string> {
  const authority = textOf(config.certificateAuthority);
  if (!authority.ok) return authority;
  const token = config.token === undefined ? ok(null) : resolveSecret(config.token, '.', env);
  if (!token.ok) return token;
  return ok({ url: config.url, certificateAuthority: authority.value, token: token.value });
}

function syslogServer(
  config: Extract<SinkConfig, { readonly kind: 'syslog' }>,
): Result<SyslogServer, string> {
  const url = new URL(config.url);
  const isTls = url.protocol === 'tls:';
  const place = {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (isTls ? syslogTlsPort : syslogPlainPort) : Number(url.port),
  };
  if (!isTls) return ok({ ...place, tls: null });
  const authority = textOf(config.certificateAuthority);
  if (!authority.ok) return authority;
  const certificate = textOf(config.clientCertificate?.certificateFile);
  if (!certificate.ok) return certificate;
  const key = textOf(config.clientCertificate?.keyFile);
  if (!key.ok) return key;
  const client =
    certificate.value === null || key.value === null
      ? null
      : { certificate: certificate.value, key: key.value };
  const serverName = config.tlsServerName ?? null;
  return ok({ ...place, tls: { certificateAuthority: authority.value, serverName, client } });
}

function textOf(file: string | undefined): Result<string | null, string> {
  if (file === undefined) return ok(null);
  try {
    return ok(readFileSync(file, 'utf8'));
  } catch (cause) {
    return err(`${file} cannot be read: ${errorText(cause)}`);
  }
}
