import type { ApiClient } from './api-client.ts';
import { CommandError } from './command.ts';

/** A page of an export. */
export type RecordPage = {
  /** Whole rows; empty where nothing in this page was asked for. */
  readonly text: string;
  /** Where the next page begins, also where there is none yet. */
  readonly cursor: string;
};

/** What to export; see the REST API's export. */
export type ExportParameters = {
  readonly format: string;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly cursor?: string | undefined;
  readonly settle?: string | undefined;
};

/** The pages of an export, up to the end of what is recorded. Rejects with a CommandError when the gateway refuses. */
export async function* recordPages(
  client: ApiClient,
  parameters: ExportParameters,
): AsyncGenerator<RecordPage, void, void> {
  const { format, since, until, settle } = parameters;
  let { cursor } = parameters;
  for (;;) {
    // A cursor holds since and until: they are given with the first page, and compared with those of a kept cursor.
    const query = { format, settle, page: 'true', since, until, cursor };
    const { text, header } = await client.text('/api/v1/decisions/export', query);
    const next = header('holdgate-cursor');
    if (next === '')
      throw new CommandError('the answer has no cursor: is this a holdgate gateway?');
    yield { text, cursor: next };
    if (header('holdgate-more') !== 'true') return;
    cursor = next;
  }
}
