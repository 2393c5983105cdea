/** Asks Telegram itself, with the configuration of the hub's machine. An agent that runs the doctor does not use the person's bot. */
import type { Config } from '../../config/config.ts';
import { findAgent } from '../agent-environment.ts';
import type { Context } from '../io.ts';
import type { Finding } from './check.ts';

export async function checkTelegramItself({ io }: Context, config: Config | undefined): Promise<Finding[]> {
  if (config === undefined || config.mode === 'daemon' || config.telegram.botToken === undefined) return [];
  if (findAgent(io.env, io.ppid) !== undefined) return [];
  const { checkTelegram } = await import('../../hub/telegram/check.ts');
  const findings = await checkTelegram(config.telegram);
  return findings.map((finding) => ({ ...finding, name: `Telegram ${finding.name}` }));
}
