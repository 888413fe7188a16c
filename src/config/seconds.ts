import { z } from 'zod';

/** A duration in seconds with a default, at most 30 days: larger ones are milliseconds by mistake. */
export const seconds = (fallback: number, description: string) =>
  z
    .number()
    .positive()
    .max(86_400 * 30)
    .default(fallback)
    .describe(`${description} Seconds; default ${fallback}.`);
