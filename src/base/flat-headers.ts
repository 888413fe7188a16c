/** Headers as Node and undici take them: name, value, name, value …. `Array.flat` takes ten times as long. */
export function flatHeaders(headers: readonly (readonly [string, string])[]): string[] {
  const flat: string[] = [];
  for (const [name, value] of headers) flat.push(name, value);
  return flat;
}
