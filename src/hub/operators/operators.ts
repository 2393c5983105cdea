/**
 * Who may decide: the operators of the configuration, their one-time sign-in codes, web sessions and terminal tokens.
 *
 * Invariants: codes and tokens are 160 and 256 random bits and only their SHA-256 is stored; a code is spent once, by compare-and-set; who is
 * no longer in the configuration is nobody, whatever tokens there are; a role is read from the configuration at each use, never from a token.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { OperatorConfig } from '../../config/config.ts';
import { isoTime, type Clock } from '../../platform/clock.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { Operator, Surface } from '../../protocol/model.ts';
import type { SignInLink } from '../../protocol/operator-api.ts';
import type { Actor, Operators } from '../services.ts';
import type { HubStore } from '../store/hub-store.ts';
import { codeOf, deleteToken, insertCode, insertToken, spendCode, tokenOf, tokenUsed } from '../store/operators.ts';

const CODE_BYTES = 20;
const TOKEN_BYTES = 32;
const CODE_LIFE_MS = 10 * 60 * 1000;
/** A spent or expired code is remembered this long, so that its second use is answered in the right words. */
const CODE_MEMORY_MS = 24 * 3600 * 1000;
const DAY_MS = 24 * 3600 * 1000;
/** Sliding: each use moves the end. */
const TOKEN_LIFE_MS = { web: 30 * DAY_MS, terminal: 90 * DAY_MS } as const;
/** The end is moved at most this often, so that reading does not write. */
const TOUCH_MS = 3600 * 1000;
const CODES_PER_OPERATOR = 20;
const TOKENS_PER_OPERATOR = 50;

export interface OperatorsOptions {
  readonly store: HubStore;
  readonly clock: Clock;
  readonly operators: readonly OperatorConfig[];
  /** The web app's address for links that are read on this surface. */
  readonly baseUrl: (via: Surface) => string;
}

export class ConfiguredOperators implements Operators {
  readonly #options: OperatorsOptions;
  readonly #byName: ReadonlyMap<string, Operator>;
  readonly #byTelegramId: ReadonlyMap<number, Operator>;

  constructor(options: OperatorsOptions) {
    this.#options = options;
    this.#byName = new Map(options.operators.map(({ name, role }) => [name, { name, role }]));
    this.#byTelegramId = new Map(
      options.operators.flatMap(({ name, role, telegramUserId }) =>
        telegramUserId === undefined ? [] : [[telegramUserId, { name, role }]],
      ),
    );
  }

  async list(): Promise<Operator[]> {
    return [...this.#byName.values()];
  }

  byTelegramId(telegramUserId: number): Operator | undefined {
    return this.#byTelegramId.get(telegramUserId);
  }

  /** The owner in whose name the hub's own terminal acts. */
  get firstOwner(): Operator {
    const owner = [...this.#byName.values()].find((operator) => operator.role === 'owner');
    return owner ?? { name: 'owner', role: 'owner' };
  }

  async signInLink(actor: Actor): Promise<SignInLink> {
    const { store, clock, baseUrl } = this.#options;
    const operator = this.#byName.get(actor.operator.name);
    if (operator === undefined) throw nobody();
    const code = randomBytes(CODE_BYTES).toString('base64url');
    const now = clock.now();
    const expires = now + CODE_LIFE_MS;
    await store.write(({ db }) =>
      insertCode(
        db,
        { hash: hashOf(code), operator: operator.name, created_at: now, expires_at: expires, spent_at: null },
        now - CODE_MEMORY_MS,
        CODES_PER_OPERATOR,
      ),
    );
    return { url: `${baseUrl(actor.via)}/#/sign-in/${code}`, code, expiresAt: isoTime(expires) };
  }

  async redeem(
    code: string,
    kind: 'web' | 'terminal',
  ): Promise<{ token: string; operator: Operator; expiresAt: string }> {
    const { store, clock } = this.#options;
    const hash = hashOf(code);
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    return store.write(async ({ db }) => {
      const now = clock.now();
      const row = await codeOf(db, hash);
      if (row === undefined) throw badCode('This sign-in code is not known here.');
      if (row.spent_at !== null) throw badCode('This sign-in link was used already.');
      if (row.expires_at <= now || !(await spendCode(db, hash, now))) throw badCode('This sign-in link has expired.');
      const operator = this.#byName.get(row.operator);
      if (operator === undefined) throw nobody();
      const expires = now + TOKEN_LIFE_MS[kind];
      await insertToken(
        db,
        { hash: hashOf(token), kind, operator: operator.name, created_at: now, expires_at: expires, last_used_at: now },
        TOKENS_PER_OPERATOR,
      );
      return { token, operator, expiresAt: isoTime(expires) };
    });
  }

  async authenticate(token: string, kind: 'web' | 'terminal'): Promise<Operator | undefined> {
    const { store, clock } = this.#options;
    if (token.length > 100) return undefined;
    const hash = hashOf(token);
    const now = clock.now();
    const row = await store.read((db) => tokenOf(db, hash));
    if (row?.kind !== kind || row.expires_at <= now) return undefined;
    const operator = this.#byName.get(row.operator);
    if (operator === undefined) return undefined;
    if (now - row.last_used_at > TOUCH_MS) {
      // A full disk must not sign anybody out.
      await store.write(({ db }) => tokenUsed(db, hash, now, now + TOKEN_LIFE_MS[kind])).catch(() => undefined);
    }
    return operator;
  }

  async signOut(token: string): Promise<void> {
    const hash = hashOf(token);
    await this.#options.store.write(({ db }) => deleteToken(db, hash));
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function badCode(message: string): IntercomError {
  return new IntercomError('unauthorized', message, {
    next: 'Make a new one with `intercom login --link` on the hub, or send the bot /login in a private chat.',
  });
}

function nobody(): IntercomError {
  return new IntercomError('forbidden', 'This operator is no longer in the configuration.', {
    next: 'Add the name under `operators:` in config.yml and restart the hub.',
  });
}
