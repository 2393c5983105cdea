/**
 * Policy as the rest of the hub uses it: messaging asks it (synchronously, without effects), people look at it, try it and take grants back.
 *
 * Invariants: every change of the rules or their fault is an event; a fault is a notice until it is gone; a grant is taken back in the
 * same transaction as its event.
 */
import { basename } from 'node:path';
import type { z } from 'zod';
import { isoTime, type Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { agentOf, formatAddress, parseAddress, type Address } from '../../protocol/address.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { Grant, GrantScope, PolicyLevel, PolicyVerdict } from '../../protocol/model.ts';
import type { PolicyTest, PolicyView } from '../../protocol/operator-api.ts';
import type { EventAppender } from '../events.ts';
import type { Actor, Notices, Policy } from '../services.ts';
import { grantById, grantPage, liveGrants, revokeGrantRow, toGrant } from '../store/grants.ts';
import type { HubStore } from '../store/hub-store.ts';
import { getValue, setValue } from '../store/values.ts';
import { evaluate, scopesOf, type PolicyQuestion } from './policy.ts';
import { PolicyWatch, type PolicyState } from './policy-watch.ts';

const GRANTS_MAX = 1_000;
const NOTICE = 'policy.fault';
const LAST_GOOD = 'policy.last_good';

export interface PolicyParts {
  readonly file: string;
  readonly store: HubStore;
  readonly events: EventAppender;
  readonly notices: Notices;
  readonly clock: Clock;
  readonly log: Log;
}

export class PolicyEngine implements Policy {
  readonly #parts: PolicyParts;
  readonly #watch: PolicyWatch;

  /** Reads the rules and keeps them current. A faulty file is a notice, not an error. */
  static async start(parts: PolicyParts): Promise<PolicyEngine> {
    const { store } = parts;
    // The watch tells only later changes, when the engine is there.
    let engine: PolicyEngine | undefined = undefined;
    const tell = (state: PolicyState): void => void engine?.changed(state);
    const watch = await PolicyWatch.start({
      file: parts.file,
      clock: parts.clock,
      log: parts.log,
      lastGood: {
        load: () => store.read((db) => getValue(db, LAST_GOOD)),
        save: (text) => store.write(({ db }) => setValue(db, LAST_GOOD, text)),
      },
      onChange: tell,
    });
    const made = new PolicyEngine(parts, watch);
    engine = made;
    await made.#showFault(watch.state);
    return made;
  }

  private constructor(parts: PolicyParts, watch: PolicyWatch) {
    this.#parts = parts;
    this.#watch = watch;
  }

  evaluate(question: PolicyQuestion, grants: readonly Grant[], nowMs: number): PolicyVerdict {
    return evaluate(this.#watch.rules, grants, question, nowMs);
  }

  scopesOf(level: PolicyLevel): GrantScope[] {
    return scopesOf(level);
  }

  view(): PolicyView {
    const { rules, path, loadedAt, fault, warnings } = this.#watch.state;
    return {
      ...(path === undefined ? {} : { file: path }),
      loadedAt: isoTime(loadedAt),
      default: rules.default,
      rules: rules.rules.map((rule) => ({
        index: rule.index,
        label: rule.label,
        from: rule.from.source,
        to: rule.to.source,
        type: rule.types === undefined ? '*' : rule.types.join(', '),
        ...(rule.project === undefined ? {} : { project: rule.project.source }),
        ...(rule.tool === undefined ? {} : { tool: rule.tool.source }),
        ...(rule.messagePattern === undefined ? {} : { messagePattern: rule.messagePattern.source }),
        approval: rule.approval,
        line: rule.line,
      })),
      ...(fault === undefined ? {} : { fault }),
      warnings: [...warnings],
    };
  }

  async test(test: z.infer<typeof PolicyTest>): Promise<PolicyVerdict> {
    const from = parseAddress(test.from);
    const to = parseAddress(test.to);
    const grants = await this.#parts.store.read((db) => liveGrants(db, withoutSession(from), withoutSession(to)));
    const { type, message, threadId, tool } = test;
    return this.evaluate({ from, to, type, message, threadId, tool }, grants, this.#parts.clock.now());
  }

  grants(): Promise<Grant[]> {
    return this.#parts.store.read((db) => grantPage(db, GRANTS_MAX));
  }

  async revokeGrant(actor: Actor, id: string): Promise<Grant> {
    if (actor.operator.role === 'viewer') {
      throw new IntercomError('forbidden', 'A viewer may look, but not take a grant back.', {
        next: 'Ask an operator.',
      });
    }
    const { store, events, clock, log } = this.#parts;
    return store.write(async (transaction) => {
      const revoked = await revokeGrantRow(transaction.db, id, clock.now());
      const row = await grantById(transaction.db, id);
      if (row === undefined) {
        throw new IntercomError('unknown_grant', `There is no grant "${id.slice(0, 64)}".`, {
          next: '`intercom policy grants` lists them.',
        });
      }
      const grant = toGrant(row);
      if (revoked) {
        await events.append(transaction, { type: 'grant.changed', grant });
        log.info({ grant: id, by: actor.operator.name, via: actor.via }, 'a grant was taken back');
      }
      return grant;
    });
  }

  /** Reads the file again now. */
  reload(): Promise<void> {
    return this.#watch.reload();
  }

  stop(): Promise<void> {
    return this.#watch.stop();
  }

  /** The rules or their fault are others now. */
  private async changed(state: PolicyState): Promise<void> {
    const { store, events, log } = this.#parts;
    try {
      await store.write((transaction) =>
        events.append(transaction, {
          type: 'policy.changed',
          rules: state.rules.rules.length,
          ...(state.fault === undefined ? {} : { fault: state.fault }),
        }),
      );
      await this.#showFault(state);
    } catch (error) {
      log.warn({ err: error }, 'a change of policy could not be told');
    }
  }

  async #showFault(state: PolicyState): Promise<void> {
    const { notices, file, log } = this.#parts;
    try {
      if (state.fault === undefined) await notices.clear(NOTICE);
      else {
        await notices.raise({
          key: NOTICE,
          level: 'error',
          text: `The policy has a fault, so the rules before it go on: ${state.fault}`,
          next: `Correct ${basename(file)}; it is read again by itself. \`intercom policy check\` shows every fault.`,
        });
      }
    } catch (error) {
      log.warn({ err: error }, 'the notice of a faulty policy could not be kept');
    }
  }
}

function withoutSession(address: Address): string {
  return formatAddress(address.kind === 'agent' ? agentOf(address) : address);
}
