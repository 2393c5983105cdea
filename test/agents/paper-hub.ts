/** A hub on paper: what the permission desk raises, closes and tells of, read as the hub's API would read it. */
import { newId } from '../../src/protocol/ids.ts';
import { ApprovalEffect, CloseApproval, RaiseApproval } from '../../src/protocol/machine-api.ts';
import type { ApprovalRaised } from '../../src/protocol/machine-api.ts';

export class PaperHub {
  readonly raised: RaiseApproval[] = [];
  readonly closed: CloseApproval[] = [];
  readonly effects: ApprovalEffect[] = [];

  async raise(request: RaiseApproval): Promise<ApprovalRaised> {
    this.raised.push(RaiseApproval.parse(request));
    return { id: newId('approval'), state: 'pending' };
  }

  async close(request: CloseApproval): Promise<void> {
    this.closed.push(CloseApproval.parse(request));
  }

  async effect(effect: ApprovalEffect): Promise<void> {
    this.effects.push(ApprovalEffect.parse(effect));
  }
}
