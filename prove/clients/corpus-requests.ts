import type { RawRequest } from '../support/raw-client.ts';
import { createDraw, type Place, type Sketch } from './corpus-draw.ts';
import { otherTemplates } from './corpus-others.ts';
import { readTemplates } from './corpus-reads.ts';
import { updateTemplates } from './corpus-updates.ts';
import { writeTemplates } from './corpus-writes.ts';

/** One request of the corpus, ready to be sent. */
export type CorpusRequest = {
  readonly template: string;
  /** Its User-Agent, which reaches the audit log: finds a request there whatever its Audit-ID is. */
  readonly marker: string;
  readonly who: 'person' | 'agent';
  readonly raw: Omit<RawRequest, 'headers'>;
  readonly contentType: string;
  readonly bodyNamespace: string;
};

/** Agents get most writes refused by policy; they send this share. */
const agentShare = 0.12;

const templates = [...readTemplates, ...writeTemplates, ...updateTemplates, ...otherTemplates];

/** A corpus of `count` requests: the same ones for the same seed and place. Every template comes up equally often. */
export function corpusRequests(
  seed: number,
  count: number,
  place: Place,
): readonly CorpusRequest[] {
  const draw = createDraw(seed);
  return Array.from({ length: count }, (_, index) => {
    const template = templates[index % templates.length];
    if (template === undefined) throw new Error('there are no templates');
    const sketch = template.make(draw, place, index);
    // Lower-case methods and the like are for HTTP/1.1: there a parser stands before the gateway.
    const protocol = draw.chance(0.5) ? 'h2' : 'http/1.1';
    return {
      template: template.name,
      marker: `holdgate-corpus/${place.run}-${index}.`,
      who: draw.chance(agentShare) ? 'agent' : 'person',
      raw: { protocol, method: sketch.method, target: sketch.target, body: bodyOf(sketch) },
      contentType: sketch.contentType ?? 'application/json',
      bodyNamespace: bodyNamespace(sketch),
    };
  });
}

function bodyOf({ body }: Sketch): Buffer | null {
  if (body === undefined) return null;
  return Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
}

/** The body's `metadata.namespace`; empty where there is none, or the body is no JSON. */
function bodyNamespace(sketch: Sketch): string {
  try {
    const body = JSON.parse(bodyOf(sketch)?.toString('utf8') ?? '') as {
      readonly metadata?: { readonly namespace?: string };
    };
    return body.metadata?.namespace ?? '';
  } catch {
    return '';
  }
}
