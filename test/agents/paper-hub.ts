/** A hub on paper: what the permission desk raises and closes, read as the hub's API would read it. */
import { newId } from '../../src/protocol/ids.ts';
import { CloseApproval, RaiseApproval } from '../../src/protocol/machine-api.ts';
import type { ApprovalRaised } from '../../src/protocol/machine-api.ts';

export class PaperHub {
  readonly raised: RaiseApproval[] = [];
  readonly closed: CloseApproval[] = [];

  async raise(request: RaiseApproval): Promise<ApprovalRaised> {
    this.raised.push(RaiseApproval.parse(request));
    return { id: newId('approval'), state: 'pending' };
  }

  async close(request: CloseApproval): Promise<void> {
    this.closed.push(CloseApproval.parse(request));
  }
}
