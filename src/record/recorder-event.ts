/** What the recorder tells whoever watches it. */
export type RecorderEvent =
  | { readonly kind: 'down'; readonly message: string }
  | { readonly kind: 'recovered'; readonly downMs: number }
  /** Recording ended for good: somebody else writes this process's stream, or the recorder has a bug. */
  | { readonly kind: 'stopped'; readonly message: string };
