import { refusal, type Refusal } from '../base/errors.ts';
import { sessionsPerCallerMax } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Identity } from '../identify/index.ts';

/** Counts the sessions of each caller in this process, so that one agent cannot take every connection of the port. */
export class OpenSessions {
  readonly #byCaller = new Map<string, number>();

  /** Counts one more. Call the answer when the session, or the wait for it, is over. */
  enter({ issuer, subject }: Identity): Result<() => void, Refusal> {
    const caller = JSON.stringify([issuer, subject]);
    const open = this.#byCaller.get(caller) ?? 0;
    if (open >= sessionsPerCallerMax) {
      const text = `you have ${open} open sessions (exec, attach, port-forward), and no caller may have more`;
      return err(refusal('HOLDGATE_FORWARD_SESSIONS_TOO_MANY', text));
    }
    this.#byCaller.set(caller, open + 1);
    return ok(() => {
      const left = (this.#byCaller.get(caller) ?? 1) - 1;
      if (left === 0) this.#byCaller.delete(caller);
      else this.#byCaller.set(caller, left);
    });
  }
}
