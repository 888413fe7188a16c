/** Who calls: the verified token, mapped. Field for field what policy sees as `input.user` (design §3). */
export type Identity = {
  readonly issuer: string;
  readonly subject: string;
  readonly username: string;
  readonly uid: string;
  readonly groups: readonly string[];
  /** False when the token is known or suspected not to list every group. */
  readonly groupsComplete: boolean;
  /** From the issuer's configuration, never from the token. */
  readonly kind: 'agent' | 'human' | 'workload';
  /** RFC 8693 `act`, outermost (the current actor) first. */
  readonly actor: readonly { readonly issuer: string; readonly subject: string }[];
  /** The claims that the issuer's configuration lets policy see. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly token: {
    readonly type: string;
    readonly id: string;
    /** RFC 3339. */
    readonly expires: string;
    readonly azp: string;
    readonly acr: string;
    readonly amr: readonly string[];
    readonly authTime: string;
  };
  /** The session at the issuer that the token belongs to (`sid`, OIDC Front-Channel Logout §3); missing where it has none. */
  readonly sid?: string;
  /** When every right that hangs on the token ends, in milliseconds since the epoch. */
  readonly expiresAtMs: number;
};

/** The key that names a caller across requests: issuer and subject, never an e-mail address. */
export function identityKey(identity: Pick<Identity, 'issuer' | 'subject'>): string {
  return JSON.stringify([identity.issuer, identity.subject]);
}
