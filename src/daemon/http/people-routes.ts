/** The local API's calls of agents to people: questions, announcements, and who looks. Nothing here answers a question. */
import { z } from 'zod';
import type { Api } from '../../platform/http/api.ts';
import { Announce, Announced, Presence } from '../../protocol/attention.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { LONG_POLL_MAX_SECONDS } from '../../protocol/limits.ts';
import { LocalQuestion, LocalQuestionState, QuestionRef, WithdrawQuestion } from '../../protocol/local-api.ts';
import { Ok } from '../../protocol/machine-api.ts';
import type { Session } from '../../protocol/model.ts';
import type { PeopleCalls } from '../link/people-calls.ts';
import type { QuestionDesk } from '../sessions/question-desk.ts';
import type { Identity } from './local-caller.ts';

const QuestionParams = z.object({ ref: QuestionRef });
const WaitQuery = z.object({ wait: z.coerce.number().min(0).max(LONG_POLL_MAX_SECONDS).default(0) });

export function peopleRoutes(api: Api<Identity>, questions: QuestionDesk, people: PeopleCalls): void {
  api.route(
    {
      method: 'POST',
      path: '/local/questions',
      summary: "The caller's session asks its person.",
      body: LocalQuestion,
      answer: LocalQuestionState,
    },
    async ({ auth, body }) => questions.raise(sessionOf(auth), body),
  );
  api.route(
    {
      method: 'GET',
      path: '/local/questions/:ref',
      summary: 'How a question stands, or as soon as it is pending no more.',
      params: QuestionParams,
      query: WaitQuery,
      answer: LocalQuestionState,
    },
    async ({ params, query, signal }) => questions.wait(params.ref, query.wait * 1000, signal),
  );
  api.route(
    {
      method: 'POST',
      path: '/local/questions/:ref/withdraw',
      summary: 'Nobody is to answer it any more.',
      params: QuestionParams,
      body: WithdrawQuestion,
      answer: Ok,
    },
    async ({ params, body }) => {
      await questions.withdraw(params.ref, body.reason);
      return { ok: true as const };
    },
  );
  api.route(
    {
      method: 'POST',
      path: '/local/announcements',
      summary: 'Told to whoever listens now.',
      body: Announce,
      answer: Announced,
    },
    async ({ auth, body }) => people.announce({ project: auth.project, session: auth.session?.id }, body),
  );
  api.route({ method: 'GET', path: '/local/presence', summary: 'Who looks now.', answer: Presence }, async () =>
    people.presence(),
  );
}

function sessionOf({ session }: Identity): Session {
  if (session !== undefined) return session;
  throw new IntercomError('unknown_session', 'This machine does not know which session asks.', {
    next: 'Ask your user in this conversation instead; `intercom doctor` says why the session is not known.',
  });
}
