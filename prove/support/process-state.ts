import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What a process holds, as the kernel says (proc(5); Linux only). */
export type ProcessState = {
  readonly fds: number;
  /** Sockets to or from other processes in any state but LISTEN. */
  readonly connections: readonly Connection[];
  readonly rssBytes: number;
};

export type Connection = { readonly localPort: number; readonly remotePort: number };

const LISTEN = '0A';

/** IPv4 and IPv6 TCP sockets of this network namespace, by inode. */
function tcpSockets(): ReadonlyMap<string, Connection> {
  const sockets = new Map<string, Connection>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readFileSync(file, 'utf8').split('\n').slice(1)) {
      const [, local = '', remote = '', state = '', , , , , , inode = ''] = line
        .trim()
        .split(/\s+/);
      if (inode === '' || state === LISTEN) continue;
      const port = (address: string): number => Number.parseInt(address.split(':')[1] ?? '0', 16);
      sockets.set(inode, { localPort: port(local), remotePort: port(remote) });
    }
  }
  return sockets;
}

function linksOf(pid: number): readonly string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).flatMap((fd) => {
    try {
      return [readlinkSync(`${directory}/${fd}`)];
    } catch {
      return []; // closed since it was listed
    }
  });
}

/** Reads the state of a live process. */
export function processState(pid: number): ProcessState {
  const links = linksOf(pid);
  const tcp = tcpSockets();
  const connections = links.flatMap((link) => {
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
    const found = inode === undefined ? undefined : tcp.get(inode);
    return found === undefined ? [] : [found];
  });
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { fds: links.length, connections, rssBytes: Number(rss ?? 0) * 1024 };
}
