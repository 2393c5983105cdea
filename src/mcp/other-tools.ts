/**
 * The tools about ourselves (register, feedback), and those whose time has not come: they are listed, because people and agents know their
 * names, and they say at once that nothing happened and what works instead.
 */
import { z } from 'zod';
import { IntercomError } from '../protocol/errors.ts';
import { lineText } from '../protocol/text.ts';
import { defineTool, optional } from './tool.ts';
import type { Tool } from './tool.ts';

const Done = z.object({ status: z.string(), summary: z.string() });
const words = z.array(lineText(60)).max(50).optional();

export const registerTool = defineTool({
  name: 'intercom_register',
  description:
    'Tell others what your project (or machine) is for; or add or remove a project of this machine. Fields left out stay.',
  input: z.strictObject({
    action: z.enum(['update', 'add_project', 'remove_project']).default('update'),
    project: z
      .strictObject({
        id: z.string().max(200).optional().describe('Default: your own project'),
        path: z.string().max(4096).optional(),
        description: lineText(500).optional(),
        capabilities: words,
        tags: words,
      })
      .nullish(),
    machine: z
      .strictObject({ display_name: lineText(100).optional(), description: lineText(500).optional() })
      .nullish(),
  }),
  output: Done,
  run: async (args, call) => {
    const project = args.project ?? undefined;
    const machine = args.machine ?? undefined;
    if (project === undefined && (args.action !== 'update' || machine === undefined)) {
      throw new IntercomError('invalid_request', 'project is missing: there is nothing to register.', {
        field: 'project',
        next: 'Give project (for example {"description": "…"}), or machine with the action update.',
      });
    }
    await call.client.register({
      action: args.action,
      ...(project === undefined
        ? {}
        : {
            project: {
              ...optional('id', project.id),
              ...optional('path', project.path),
              ...optional('description', project.description),
              ...optional('capabilities', project.capabilities),
              ...optional('tags', project.tags),
            },
          }),
      ...(machine === undefined
        ? {}
        : {
            machine: {
              ...optional('displayName', machine.display_name),
              ...optional('description', machine.description),
            },
          }),
    });
    const did = { update: 'Updated', add_project: 'Added', remove_project: 'Removed' }[args.action];
    const summary = `${did} at this machine; the others see it within moments, or when the hub is back.`;
    return { structured: { status: 'updated', summary }, text: summary };
  },
});

export const feedbackTool = defineTool({
  name: 'intercom_report_feedback',
  description: 'Report a bug or an idea about intercom itself to its operators.',
  input: z.strictObject({
    type: z.enum(['bug', 'improvement', 'note']),
    description: z.string().min(1).max(20_000),
    context: z.string().max(20_000).default(''),
  }),
  output: Done,
  run: async (args, call) => {
    await call.client.feedback(args);
    const summary = 'Stored for the operators of this mesh.';
    return { structured: { status: 'stored', summary }, text: summary };
  },
});

/** A tool of a later version: takes what it will take, does nothing, says so. */
function later(name: string, what: string, instead: string, input: z.ZodObject): Tool {
  return defineTool({
    name,
    description: `Comes with a later version: ${what}`,
    input,
    output: Done,
    run: async () => {
      throw new IntercomError('unavailable', `${name} comes with a later version; nothing was done.`, {
        next: instead,
      });
    },
  });
}

const line = z.string().max(400);

export const LATER_TOOLS: readonly Tool[] = [
  later(
    'intercom_upgrade',
    'upgrade the machines.',
    'Ask your user to run `npm install -g ai-intercom@latest` on the machine and to restart its daemon.',
    z.strictObject({ target: line.default('outdated'), version: line.default('') }),
  ),
];

export const OTHER_TOOLS: readonly Tool[] = [registerTool, feedbackTool, ...LATER_TOOLS];
