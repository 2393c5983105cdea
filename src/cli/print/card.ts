/** An approval as a card on a terminal: all of what is decided about. */
import type { Approval } from '../../protocol/model.ts';
import { safe, safeLines } from './style.ts';
import type { Style } from './style.ts';
import { relative } from './time.ts';
import { approvalTitle, indent, paintState } from './words.ts';

export function card(approval: Approval, now: number, style: Style): string {
  const { subject, decision } = approval;
  const head = `${paintState(approval.state, style)('●')} ${style.bold(approvalTitle(approval))}  ${style.dim(`${approval.kind} · ${relative(approval.createdAt, now)}`)}`;
  const lines = [head, style.dim(`  ${approval.id}`)];
  if (subject.kind === 'join') {
    lines.push(`  code    ${style.bold(safe(subject.code))}   ${style.dim('must be the same on the other machine')}`);
    lines.push(`  from    ${safe(subject.ip)}, its daemon at ${safe(subject.daemonUrl)}`);
    if (subject.replaces) {
      lines.push(
        style.yellow('  A machine of this id is known already: allowing gives it a new secret and this address.'),
      );
    }
  } else {
    lines.push(indent(safeLines(subject.body), `  ${style.dim('│')} `));
    lines.push(style.dim(`  thread: ${safe(subject.threadTitle)}`));
  }
  lines.push(style.dim(`  asked because: ${safe(approval.rule)}`));
  if (decision !== undefined) {
    const reason = decision.reason === undefined ? '' : ` (${safe(decision.reason)})`;
    const scope = decision.verdict === 'allow' && decision.scope !== 'once' ? `, ${decision.scope}` : '';
    const verb = decision.verdict === 'allow' ? style.green('allowed') : style.red('denied');
    lines.push(`  ${verb}${scope} by ${safe(decision.by)} via ${decision.via}, ${relative(decision.at, now)}${reason}`);
  } else if (approval.state === 'pending') {
    lines.push(style.dim(`  expires ${relative(approval.expiresAt, now)}`));
  } else {
    lines.push(`  ${paintState(approval.state, style)(approval.state.replaceAll('_', ' '))}`);
  }
  return `${lines.join('\n')}\n`;
}
