import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from './world.ts';

/** nginx as a TLS proxy with a configuration of its own: one worker, kept upstream connections, no logs of requests. */
export function nginxConfiguration(
  world: World,
  port: number,
): { readonly directory: string; readonly file: string } {
  const directory = join(world.directory, 'nginx');
  mkdirSync(join(directory, 'temp'), { recursive: true });
  const file = join(directory, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${directory}/temp/${name};`)
    .join('\n');
  const upstream = new URL(world.upstreamUrl).host;
  writeFileSync(
    file,
    `daemon off;
pid ${directory}/nginx.pid;
worker_processes 1;
worker_rlimit_nofile 65536;
error_log stderr notice;
events { worker_connections 16384; }
http {
${temporary}
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  upstream upstream {
    server ${upstream};
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} ssl http2;
    ssl_certificate ${world.tls.certificate};
    ssl_certificate_key ${world.tls.key};
    # Each connection is a whole handshake, as with every subject.
    ssl_session_tickets off;
    http2_max_concurrent_streams 250;
    location / {
      proxy_pass https://upstream;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_ssl_trusted_certificate ${world.tls.ca};
      proxy_ssl_verify on;
      proxy_ssl_name localhost;
      proxy_ssl_server_name on;
      proxy_read_timeout 300s;
      proxy_buffers 64 16k;
    }
  }
}
`,
  );
  return { directory, file };
}
