/** Everything that waits for a decision, page by page, the oldest first: however many there are, none is left out. */
import type { Approval } from '../../protocol/model.ts';
import type { Approvals } from '../services.ts';

const PAGE = 200;

export async function* pendingApprovals(approvals: Pick<Approvals, 'list'>): AsyncGenerator<Approval> {
  for (let after: string | undefined; ;) {
    const page: readonly Approval[] = await approvals.list({
      state: 'pending',
      order: 'oldest',
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    });
    yield* page;
    after = page.at(-1)?.id;
    if (page.length < PAGE || after === undefined) return;
  }
}
