import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';

/** `as=` transformations whose answer is JSON that `mask-answer.ts` reads. */
const MASKABLE_AS = new Set(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList']);

function parameter(mediaRange: string, name: string): string | null {
  for (const part of mediaRange.split(';').slice(1)) {
    const [key, value] = part.split('=', 2);
    if (key?.trim().toLowerCase() === name) return (value ?? '').trim();
  }
  return null;
}

/**
 * Narrows an Accept header (RFC 9110 §12.5.1) to what can be masked: JSON, as an object, list, Table or metadata.
 * Protobuf, CBOR, YAML and wildcards are dropped, so that the cluster cannot answer with bytes that we cannot read.
 * client-go decodes by the answer's Content-Type, so it takes the JSON. A client that takes no JSON is refused.
 */
export function maskableAccept(accept: string): Result<string, Refusal> {
  if (accept.trim() === '') return ok('application/json');
  const kept: string[] = [];
  for (const range of accept.split(',')) {
    const type = (range.split(';', 1)[0] ?? '').trim().toLowerCase();
    const as = parameter(range, 'as');
    if (type === 'application/json' && (as === null || MASKABLE_AS.has(as)))
      kept.push(range.trim());
    else if ((type === '*/*' || type === 'application/*') && as === null)
      kept.push('application/json');
  }
  if (kept.length > 0) return ok([...new Set(kept)].join(','));
  return err(
    refusal(
      'HOLDGATE_MASK_NOT_ACCEPTABLE',
      `policy masks fields of this resource for you, and none of the accepted types "${accept.slice(0, 200)}" can be masked`,
    ),
  );
}
