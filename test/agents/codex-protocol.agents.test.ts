/**
 * Our schemas of the app-server protocol against what the pinned Codex generates itself: what we send it must accept, what we read it must send. A drift fails here, by name.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import * as wire from '../../src/daemon/agents/codex/protocol/messages.ts';
import { CODEX_VERSION, codexProgramPath } from './codex-session.ts';

const program = codexProgramPath();
const Node = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  items: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  allOf: z.array(z.unknown()).optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
});
type Node = z.infer<typeof Node>;

/** What we send, and the schema that the program has of it. */
const SENT = {
  ThreadLoadedListParams: wire.ThreadLoadedListParams,
  ThreadReadParams: wire.ThreadReadParams,
  ThreadResumeParams: wire.ThreadResumeParams,
  ThreadUnsubscribeParams: wire.ThreadUnsubscribeParams,
  TurnStartParams: wire.TurnStartParams,
  TurnSteerParams: wire.TurnSteerParams,
  TurnInterruptParams: wire.TurnInterruptParams,
  ThreadQueueAddParams: wire.ThreadQueueAddParams,
  ThreadQueueListParams: wire.ThreadQueueListParams,
  CommandExecutionApprovalDecision: wire.ApprovalDecision,
  ToolRequestUserInputResponse: wire.UserInputResponse,
  McpServerElicitationRequestResponse: wire.ElicitationResponse,
} as const;

/** What we read. */
const READ = {
  ThreadLoadedListResponse: wire.ThreadLoadedListResponse,
  ThreadReadResponse: wire.ThreadReadResponse,
  ThreadResumeResponse: wire.ThreadResumeResponse,
  TurnStartResponse: wire.TurnStartResponse,
  TurnSteerResponse: wire.TurnSteerResponse,
  ThreadQueueAddResponse: wire.ThreadQueueAddResponse,
  ThreadQueueListResponse: wire.ThreadQueueListResponse,
  ThreadStatusChangedNotification: wire.ThreadStatusChanged,
  ThreadStartedNotification: wire.ThreadStarted,
  ThreadClosedNotification: wire.ThreadClosed,
  ThreadNameUpdatedNotification: wire.ThreadNameUpdated,
  TurnStartedNotification: wire.TurnStarted,
  TurnCompletedNotification: wire.TurnCompleted,
  ServerRequestResolvedNotification: wire.ServerRequestResolved,
  CommandExecutionRequestApprovalParams: wire.CommandApprovalParams,
  FileChangeRequestApprovalParams: wire.FileApprovalParams,
  ToolRequestUserInputParams: wire.UserInputParams,
} as const;

const ITEMS = {
  userMessage: wire.UserMessageItem,
  agentMessage: wire.AgentMessageItem,
  fileChange: wire.FileChangeItem,
  commandExecution: wire.CommandItem,
} as const;

describe.skipIf(program === undefined)(`the app-server protocol of codex ${CODEX_VERSION}`, () => {
  let directory: string;
  let definitions: Record<string, unknown>;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'ic-cxschema-'));
    execFileSync(program ?? '', ['app-server', 'generate-json-schema', '--experimental', '--out', directory], {
      env: { HOME: directory, CODEX_HOME: directory, PATH: process.env.PATH ?? '' },
      stdio: 'ignore',
    });
    const text = readFileSync(join(directory, 'codex_app_server_protocol.schemas.json'), 'utf8');
    const all = z.looseObject({ definitions: z.record(z.string(), z.unknown()) }).parse(JSON.parse(text)).definitions;
    const v2 = z.record(z.string(), z.unknown()).parse(all.v2);
    definitions = { ...all, ...v2 };
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const theirs = (node: unknown): Node => {
    const parsed = Node.parse(node === true ? {} : node);
    if (parsed.$ref === undefined) return parsed;
    const name = parsed.$ref.split('/').at(-1) ?? '';
    expect(definitions, `${parsed.$ref} is gone`).toHaveProperty([name]);
    return theirs(definitions[name]);
  };
  /** A value may be any one of these. */
  const variants = (node: unknown): Node[] => {
    const own = theirs(node);
    const parts = own.anyOf ?? own.oneOf;
    if (own.allOf?.length === 1) return variants(own.allOf[0]);
    if (parts === undefined) return [own];
    // Fields that stand beside the variants belong to each of them.
    return parts.flatMap(variants).map((one) => ({ ...one, properties: { ...own.properties, ...one.properties } }));
  };
  const types = (node: Node): string[] => [node.type ?? []].flat();
  const values = (node: Node): unknown[] => (node.const === undefined ? (node.enum ?? []) : [node.const]);

  /** Every difference between our schema and theirs, in words. `sent`: they must accept all of ours; else we must accept all of theirs. */
  const differences = (ours: Node, node: unknown, sent: boolean, at: string): string[] => {
    const their = variants(node);
    const branches = ours.anyOf ?? ours.oneOf;
    if (branches !== undefined) {
      return branches.flatMap((branch) => differences(Node.parse(branch), node, sent, at));
    }
    if (their.some((one) => types(one).length === 0 && values(one).length === 0 && one.properties === undefined))
      return [];
    const fixed = values(ours);
    if (fixed.length > 0) {
      const known = their.flatMap(values);
      return fixed.filter((value) => !known.includes(value)).map((value) => `${at}: ${String(value)} is not known`);
    }
    const type = types(ours)[0];
    if (type === undefined) return [];
    const same = their.filter(
      (one) => types(one).includes(type) || (type === 'number' && types(one).includes('integer')),
    );
    if (same.length === 0) return [`${at}: is no ${type} but ${their.flatMap(types).join('|')}`];
    if (type === 'array')
      return same.flatMap((one) => differences(Node.parse(ours.items ?? {}), one.items ?? {}, sent, `${at}[]`));
    if (type !== 'object') return [];
    const discriminator = tagOf(ours);
    const fitting = discriminator === undefined ? same : same.filter((one) => hasTag(one, discriminator));
    if (fitting.length === 0) return [`${at}: nothing of the kind ${String(discriminator)}`];
    return fitting.slice(0, 1).flatMap((one) => fields(ours, one, sent, at));
  };
  const fields = (ours: Node, one: Node, sent: boolean, at: string): string[] => {
    const found = Object.entries(ours.properties ?? {}).flatMap(([name, field]) => {
      const where = `${at}.${name}`;
      if (one.properties?.[name] === undefined) return [`${where} is gone`];
      const isRequired = (one.required ?? []).includes(name) || (one.required === undefined && !sent);
      const mustBe = !sent && (ours.required ?? []).includes(name) && !isRequired && !acceptsMissing(field);
      return [
        ...(mustBe ? [`${where} may be missing now`] : []),
        ...differences(Node.parse(field), one.properties[name], sent, where),
      ];
    });
    const missing = sent ? (one.required ?? []).filter((name) => ours.properties?.[name] === undefined) : [];
    return [...found, ...missing.map((name) => `${at}.${name} is needed now`)];
  };
  const acceptsMissing = (field: unknown): boolean => Object.keys(Node.parse(field)).length === 0;
  const tagOf = (node: Node): unknown => {
    const tag = node.properties?.type;
    return tag === undefined ? undefined : values(Node.parse(tag))[0];
  };
  const hasTag = (node: Node, tag: unknown): boolean =>
    node.properties?.type !== undefined && values(theirs(node.properties.type)).includes(tag);
  const schemaOf = (schema: z.ZodType): Node => Node.parse(z.toJSONSchema(schema, { unrepresentable: 'any' }));

  it.each(Object.entries(SENT))('accepts what we send: %s', (name, schema) => {
    expect(definitions).toHaveProperty([name]);
    expect(differences(schemaOf(schema), definitions[name], true, name)).toEqual([]);
  });

  it.each(Object.entries(READ))('sends what we read: %s', (name, schema) => {
    expect(definitions).toHaveProperty([name]);
    expect(differences(schemaOf(schema), definitions[name], false, name)).toEqual([]);
  });

  it.each(Object.entries(ITEMS))('has the item that we read: %s', (name, schema) => {
    expect(differences(schemaOf(schema), definitions.ThreadItem, false, name)).toEqual([]);
  });

  it('tells a drift: a field that it does not have, a value that it does not know, a field that it needs', () => {
    const drifted = (ours: z.ZodType, name: string, sent: boolean) =>
      differences(schemaOf(ours), definitions[name], sent, 'x');
    expect(drifted(wire.TurnStartParams.extend({ nonsense: z.string() }), 'TurnStartParams', true)).toEqual([
      'x.nonsense is gone',
    ]);
    expect(
      drifted(z.object({ status: z.object({ type: z.literal('dozing') }) }), 'ThreadStatusChangedNotification', false),
    ).toEqual(['x.status: nothing of the kind dozing']);
    expect(drifted(z.object({ threadId: z.string() }), 'TurnSteerParams', true).sort()).toEqual([
      'x.expectedTurnId is needed now',
      'x.input is needed now',
    ]);
    expect(drifted(z.looseObject({ threadId: z.number() }), 'ThreadClosedNotification', false)).toEqual([
      'x.threadId: is no number but string',
    ]);
  });

  it('knows every method that we use', () => {
    const methods = JSON.stringify([
      definitions.ClientRequest,
      definitions.ServerRequest,
      definitions.ServerNotification,
    ]);
    for (const method of METHODS) expect(methods, method).toContain(`"${method}"`);
  });
});

const METHODS = [
  'initialize',
  'thread/loaded/list',
  'thread/read',
  'thread/resume',
  'thread/unsubscribe',
  'thread/queue/add',
  'thread/queue/list',
  'turn/start',
  'turn/steer',
  'turn/interrupt',
  'thread/started',
  'thread/status/changed',
  'thread/closed',
  'thread/name/updated',
  'turn/started',
  'turn/completed',
  'item/started',
  'item/completed',
  'serverRequest/resolved',
  'item/commandExecution/requestApproval',
  'item/fileChange/requestApproval',
];
