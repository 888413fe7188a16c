/**
 * What rules may call: the builtins that OPA compiles into WebAssembly itself (found by compiling a rule for each and
 * looking at what the module asks its host for), and those that opa-wasm adds. No clock, network, randomness,
 * environment or tracing is among them: a decision depends on the input alone, so that it can be repeated.
 */
const native = `
  abs and array.concat array.reverse array.slice base64.decode base64.encode base64.is_valid base64url.decode
  base64url.encode bits.and bits.lsh bits.negate bits.or bits.rsh bits.xor ceil concat contains count div endswith equal
  floor format_int glob.match graph.reachable gt gte indexof intersection is_array is_boolean is_null is_number is_object
  is_set is_string json.filter json.is_valid json.marshal json.remove json.unmarshal lower lt lte max min minus mul neq
  net.cidr_contains net.cidr_intersects numbers.range object.filter object.get object.keys object.remove object.union
  object.union_n or plus print product regex.find_all_string_submatch_n regex.is_valid regex.match rego.metadata.chain
  rego.metadata.rule rem replace round sort split startswith strings.replace_n strings.reverse substring sum to_number
  trim trim_left trim_prefix trim_right trim_space trim_suffix type_name union upper walk`;

/** Served by opa-wasm: each call crosses into JavaScript as JSON, so a loop over them is slow. */
const host = 'sprintf regex.split yaml.is_valid yaml.marshal yaml.unmarshal';

/** Part of the language. */
const language = 'assign eq internal.member_2 internal.member_3 internal.print';

/** The builtins that rules may call. */
export const allowedBuiltins: ReadonlySet<string> = new Set(
  [native, host, language].flatMap((list) => list.trim().split(/\s+/)),
);

/** The builtins that a compiled module may ask its host for: anything else would throw when it is called. */
export const hostBuiltins: ReadonlySet<string> = new Set(host.split(' '));

type Capabilities = { readonly builtins: readonly { readonly name: string }[] };

const isCapabilities = (value: unknown): value is Capabilities =>
  typeof value === 'object' &&
  value !== null &&
  'builtins' in value &&
  Array.isArray(value.builtins);

/**
 * The capabilities file for `opa check` and `opa build`: those of an OPA (`opa capabilities --current`) without what
 * rules may not call, and without network hosts. `opaCapabilities` is its JSON text.
 */
export function capabilitiesJson(opaCapabilities: string): string {
  const all: unknown = JSON.parse(opaCapabilities);
  if (!isCapabilities(all)) throw new TypeError('opa capabilities: no builtins');
  const builtins = all.builtins.filter((one) => allowedBuiltins.has(one.name));
  return `${JSON.stringify({ ...all, builtins, allow_net: [] }, null, 2)}\n`;
}
