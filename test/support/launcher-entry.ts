/**
 * The launcher as a program that can be killed, with the scripted agent: `node bundle <options as JSON>`; also its own runner (`node bundle runner
 * <directory>`). Takes missions and stops as JSON lines; says `ready` once what a process before left was found, and `ok` to each line.
 */
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { runRunner } from '../../src/daemon/runner/main.ts';
import { DeliverItem } from '../../src/protocol/daemon-api.ts';
import { Rig } from '../daemon/launcher/rig.ts';

const Options = z.object({
  state: z.string(),
  projects: z.record(z.string(), z.string()),
  config: z.looseObject({}),
  script: z.string(),
});

const [, entry = '', first = '', directory = ''] = process.argv;
if (first === 'runner') {
  await runRunner(directory);
} else {
  const options = Options.parse(JSON.parse(first));
  const env = { PATH: process.env.PATH, SCRIPTED_AGENT: options.script };
  const rig = new Rig({ ...options, env, intercom: [process.execPath, entry] });
  // A daemon's sockets keep it alive; here it is the input.
  process.stdin.resume();
  await rig.launcher.start();
  createInterface({ input: process.stdin }).on('line', (line) => {
    void take(line).then(() => process.stdout.write('ok\n'));
  });
  process.stdout.write('ready\n');

  async function take(line: string): Promise<void> {
    const item = DeliverItem.parse(JSON.parse(line));
    if (item.item === 'mission') await rig.launcher.accept([item]);
    else if (item.item === 'mission_stop') await rig.launcher.stopMission(item);
  }
}
