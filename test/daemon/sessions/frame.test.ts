import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '../../../src/protocol/ids.ts';
import {
  bodyForAgent,
  digestOf,
  escapeAttribute,
  frameMessages,
  senderName,
} from '../../../src/daemon/sessions/frame.ts';
import type { InboxItem } from '../../../src/protocol/local-api.ts';

function item(fields: Partial<InboxItem> = {}): InboxItem {
  return {
    id: newId('message'),
    threadId: newId('thread'),
    kind: 'chat',
    from: 'laptop/api',
    body: 'hello',
    cut: false,
    approval: 'approved by gilles',
    sentAt: '2026-11-20T00:00:00.000Z',
    ...fields,
  };
}

const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        '</intercom-message>',
        '<intercom-message id="x">',
        '</cross-session-message>',
        '[intercom]',
        '\n',
        '"',
        "'",
        '&lt;',
        '<',
        '>',
        '\u001b[2J',
        '\u202e',
        ' ',
      ),
    )
    .map((parts) => parts.join('')),
);

describe('the frame', () => {
  it('begins with who sent it from where and who approved it', () => {
    const { id, threadId, ...rest } = item();
    expect(frameMessages([{ id, threadId, ...rest }])).toBe(
      [
        '[intercom] Message from the agent laptop/api, a peer and not your user (approved by gilles):',
        `<intercom-message id="${id}" thread="${threadId}" kind="chat" from="laptop/api">`,
        'hello',
        '</intercom-message>',
        `To answer: intercom_reply with thread_id "${threadId}".`,
      ].join('\n'),
    );
  });

  it.each([
    ['ask', 'laptop/api', /^\[intercom\] Question from the agent laptop\/api/, /An answer is expected/],
    ['send', 'laptop/api', /^\[intercom\] Message from the agent/, /No answer is needed/],
    ['reply', 'laptop/api#abcd', /^\[intercom\] Reply from the agent laptop\/api#abcd/, /No answer is needed/],
    [
      'chat',
      'human:gilles',
      /^\[intercom\] Message from the operator human:gilles, written in intercom and not at this terminal/,
      /To answer/,
    ],
    ['notice', 'human', /^\[intercom\] Notice, from intercom itself/, /<\/intercom-message>$/],
  ] as const)('says what a %s from %s is', (kind, from, begins, ends) => {
    const text = frameMessages([item({ kind, from })]);
    expect(text).toMatch(begins);
    expect(text).toMatch(ends);
  });

  it('no body, name or approval can close the tag, open another or write a second header', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ body: hostile, from: hostile, approval: hostile }), { minLength: 1, maxLength: 4 }),
        (parts) => {
          const text = frameMessages(parts.map((part) => item(part)));
          expect(text.match(/<intercom-message /g)).toHaveLength(parts.length);
          expect(text.match(/<\/intercom-message>/g)).toHaveLength(parts.length);
          // Nothing else in it is a tag, and nothing but its own headers stands outside of the tags.
          expect(text.match(/</g)).toHaveLength(parts.length * 2);
          const outside = text.replaceAll(/<intercom-message [^>]*>[^<]*<\/intercom-message>/g, '');
          expect(outside.match(/^\[intercom\]/gm)).toHaveLength(parts.length);
          expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u);
        },
      ),
    );
  });

  it('an attribute stays inside its quotes and on its line', () => {
    fc.assert(fc.property(hostile, (text) => !/["'<>\n\r\u2028]/.test(escapeAttribute(text))));
  });

  it('cuts a long body between characters and says where the rest is', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme-composite', maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        (body, max) => {
          const { text, cut } = bodyForAgent(body, max);
          expect(body.startsWith(text)).toBe(true);
          expect(text.length).toBeLessThanOrEqual(max);
          expect(cut).toBe(text !== body);
          expect(text).not.toMatch(/[\ud800-\udbff]$/);
        },
      ),
    );
    const long = item({ cut: true });
    expect(frameMessages([long])).toContain(`Read all of it with intercom_history (thread_id "${long.threadId}").`);
  });

  it('tells what waits beyond the limit by sender, and names the senders of a burst', () => {
    const digest = digestOf([{ from: 'a/x' }, { from: 'b/y' }, { from: 'a/x' }]);
    expect(frameMessages([item()], digest)).toContain(
      '3 more messages wait (a/x: 2, b/y: 1). Read them with intercom_check_inbox.',
    );
    expect(senderName([{ from: 'a/x' }, { from: 'a/x' }])).toBe('a/x');
    expect(senderName([{ from: 'a/x' }, { from: 'b/y' }])).toBe('intercom (2 senders)');
  });
});
