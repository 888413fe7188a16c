import { openChildProcesses } from '../../src/local/child-processes.ts';
import { silentLog } from '../../src/base/log.ts';

/** A process for `child-processes.test.ts` to kill: it starts two programs in the directory and waits. */
const directory = process.argv[2] ?? '';
const children = await openChildProcesses(directory, process.env['PATH'] ?? '', silentLog);
const stubborn = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)";
await children.start('plain', process.execPath, ['-e', 'setInterval(() => {}, 1000)', directory]);
await children.start('stubborn', process.execPath, ['-e', stubborn, directory]);
process.stdout.write(`${JSON.stringify(children.pids())}\n`);
setInterval(() => {}, 1000);
