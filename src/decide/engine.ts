import { loadPolicy, type LoadedPolicy } from '@open-policy-agent/opa-wasm';
import { errorText } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { hostBuiltins } from './capabilities.ts';
import { entrypoints, type Compiled, type Entrypoint } from './compile.ts';

/** Evaluates a compiled policy in this thread. */
export type Engine = {
  /** The raw result set, or the text of what was thrown. `json` is the input as JSON text. */
  readonly evaluate: (entrypoint: Entrypoint, json: string) => Promise<Result<unknown, string>>;
};

type Instance = LoadedPolicy;

const pageBytes = 64 * 1024;

/** opa-wasm's own default of 5 pages is too small for larger policies (LinkError). */
const pagesMin = 64;

/** Data takes about 14 times its JSON text in WebAssembly memory, measured. */
const dataFactor = 14;

/** Room for inputs beside the data: 64 MiB serves 100 KB inputs, and a runaway rule ends there. */
const inputPages = 1024;

/** Room for inputs of several MiB, in the worker. */
export const largeInputPages = 8192;

/** The memory of an instance: what is initially there, and the end. Pages of 64 KiB. */
export function memoryPages(
  dataBytes: number,
  extraPages: number,
): { readonly initial: number; readonly maximum: number } {
  const initial = pagesMin + Math.ceil((dataBytes * dataFactor) / pageBytes);
  return { initial, maximum: initial + extraPages };
}

async function instantiate(module: WebAssembly.Module, data: string): Promise<Instance> {
  const instance = await loadPolicy(module, memoryPages(Buffer.byteLength(data), inputPages));
  instance.setData(arrayBuffer(data));
  return instance;
}

/** Text as an ArrayBuffer of exactly its bytes: opa-wasm takes it as JSON without parsing it first. */
export function arrayBuffer(text: string): ArrayBuffer {
  const bytes = new TextEncoder().encode(text);
  return bytes.byteLength === bytes.buffer.byteLength
    ? bytes.buffer
    : bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/** A policy as machine code: made once, for this thread and for the worker. `data` is JSON. */
export type MachineCode = { readonly module: WebAssembly.Module; readonly data: string };

/** Off the event loop. An error text where the bytes are no WebAssembly. */
export async function toMachineCode({
  wasm,
  data,
}: Compiled): Promise<Result<MachineCode, string>> {
  try {
    return ok({ module: await WebAssembly.compile(new Uint8Array(wasm)), data });
  } catch (cause) {
    return err(`the compiled policy does not load: ${errorText(cause)}`);
  }
}

/** Loads a policy. An error text where the module does not have our entrypoints, or asks for what we lack. */
export async function createEngine({ module, data }: MachineCode): Promise<Result<Engine, string>> {
  let current: Instance | null;
  try {
    current = await instantiate(module, data);
  } catch (cause) {
    return err(`the compiled policy does not load: ${errorText(cause)}`);
  }
  const wrong = moduleProblem(current);
  if (wrong !== null) return err(wrong);
  let loading: Promise<Instance> | null = null;
  const fresh = async (): Promise<Instance> => {
    loading ??= instantiate(module, data);
    try {
      current = await loading;
      return current;
    } finally {
      loading = null;
    }
  };
  return ok({
    evaluate: async (entrypoint, json) => {
      try {
        const instance = current ?? (await fresh());
        const answer: unknown = instance.evaluate(arrayBuffer(json), entrypoint);
        return ok(answer);
      } catch (cause) {
        // Its memory is in an unknown state: the next evaluation gets a fresh instance.
        current = null;
        return err(errorText(thrownMessage(cause)));
      }
    },
  });
}

/** opa-wasm throws bare strings and plain objects with a message. */
const thrownMessage = (cause: unknown): unknown =>
  typeof cause === 'object' && cause !== null && 'message' in cause ? cause.message : cause;

/** A stray entrypoint (of a test built in by mistake) or an unknown host builtin is no policy of ours. */
function moduleProblem(instance: Instance): string | null {
  const found: unknown = instance.entrypoints;
  const names = typeof found === 'object' && found !== null ? Object.keys(found).sort() : [];
  if (names.join(' ') !== [...entrypoints].sort().join(' ')) {
    return `the compiled policy has the entrypoints ${names.join(', ')}, not ${entrypoints.join(', ')}`;
  }
  const wanted = hostBuiltinsOf(instance).find((name) => !hostBuiltins.has(name));
  return wanted === undefined ? null : `the compiled policy calls ${wanted}, which is not there`;
}

/** What the module asks its host for: a JSON object of names in its own memory, ended by a zero byte. */
function hostBuiltinsOf(instance: Instance): readonly string[] {
  const loaded = instance.wasmInstance;
  const wasm = 'exports' in loaded ? loaded : loaded.instance;
  const address = wasm.exports.opa_json_dump(wasm.exports.builtins());
  const memory = Buffer.from(instance.mem.buffer);
  const value: unknown = JSON.parse(memory.toString('utf8', address, memory.indexOf(0, address)));
  return typeof value === 'object' && value !== null ? Object.keys(value) : ['(unknown)'];
}
