import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';
import { run } from '../../prove/support/processes.ts';
import { benchDirectory, buildDirectory, peersProgram } from './peers.ts';

const repository = join(benchDirectory, '..');

/** The subjects that Node runs, compiled. */
export const subjectFile = (name: string): string => join(buildDirectory, `${name}.js`);

/**
 * Builds the gateway as it ships, the Go peers, and our subjects. These are compiled, not run through tsx: its helpers
 * around every function would be measured too. They import the gateway's parts from dist.
 */
export async function build(): Promise<void> {
  mkdirSync(buildDirectory, { recursive: true });
  writeFileSync(join(buildDirectory, 'package.json'), '{"type":"module"}\n');
  const gateway = run('npm', ['run', '--silent', 'build']);
  const peers = run('go', ['build', '-C', join(benchDirectory, 'peers'), '-o', peersProgram, '.'], {
    env: { CGO_ENABLED: '0' },
    timeoutMs: 300_000,
  }).catch((cause: unknown) => {
    throw new Error('the load and the peers need Go, which is not here', { cause });
  });
  for (const { code, stderr } of await Promise.all([gateway, peers])) {
    if (code !== 0) throw new Error(`the build failed:\n${stderr}`);
  }
  const directory = join(benchDirectory, 'subjects');
  for (const file of readdirSync(directory)) {
    const compiled = transpileModule(readFileSync(join(directory, file), 'utf8'), {
      fileName: file,
      compilerOptions: {
        target: ScriptTarget.ES2023,
        module: ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true,
      },
    });
    const text = compiled.outputText.replaceAll(
      /(['"])\.\.\/\.\.\/src\//g,
      `$1${join(repository, 'dist')}/`,
    );
    writeFileSync(subjectFile(file.replace(/\.ts$/, '')), text);
  }
}
