/**
 * The contract that every agent program is held to, per version and runtime. A suite fills in how each property is shown on the real program, or says why it cannot be; a
 * property that is shown here must be in the program's table (`verified`) with this version, so that docs and doctor tell no more and no less than the tests.
 */
import { describe, expect, it } from 'vitest';
import type { AgentProgram } from '../../src/daemon/agents/program.ts';
import type { MissionRuntime } from '../../src/protocol/mission.ts';

/**
 * launch: starts with its mission, is in the book as managed, its last message is the result · hooks: those that are relied on were heard · tool: told with its label and its
 * end · mid_turn: a message comes into the running turn · idle_wake: a message wakes the idle session · half_typed: what a person had begun to type stays · approval_afar:
 * an operator's Allow and Deny reach the agent · approval_terminal: the answer at the terminal is first, and the card is closed · questions: what it asks its person is answered by an
 * operator, each question by its own answer · cancel: the process group is gone ·
 * resume: another run goes on with the conversation · offline: a message for a session that does not run waits and comes with its next run
 */
export const PROPERTIES = [
  'launch',
  'hooks',
  'tool',
  'mid_turn',
  'idle_wake',
  'half_typed',
  'approval_afar',
  'approval_terminal',
  'questions',
  'cancel',
  'resume',
  'offline',
] as const;
export type Property = (typeof PROPERTIES)[number];

/** Shown by a test, or not there for a reason. */
export type Proof = (() => Promise<void>) | { readonly absent: string };

export interface Contract {
  readonly program: AgentProgram;
  readonly version: string;
  readonly runtime: MissionRuntime;
  readonly proofs: Readonly<Record<Property, Proof>>;
  readonly timeoutMs?: number;
}

export function contract({ program, version, runtime, proofs, timeoutMs = 120_000 }: Contract): void {
  describe(`${program.displayName} ${version}, ${runtime}`, () => {
    for (const property of PROPERTIES) {
      const proof = proofs[property];
      if (typeof proof === 'function') {
        it(property, proof, timeoutMs);
        it(`${property}: the table says so`, () => {
          const row = program.verified.find((one) => one.property === property);
          expect(row?.versions).toContain(version);
        });
      } else {
        it(`${property}: not here, as ${proof.absent}`, () => {
          const row = program.verified.find((one) => one.property === property);
          // What one runtime cannot, the other may; where none can, or only some versions can, the table says why.
          if (row?.versions.includes(version) !== true) expect(row?.note ?? '').not.toBe('');
        });
      }
    }
  });
}
