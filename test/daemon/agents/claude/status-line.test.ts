import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasStatusLine, withoutStatusLine, withStatusLine } from '../../../../src/daemon/agents/claude/status-line.ts';

const SCRIPT = "/home/me/it's here/hooks/intercom-statusline.sh";
const settings = (command: string) =>
  JSON.stringify({ model: 'opus', statusLine: { type: 'command', padding: 0, command } });
const parsed = (text: string): unknown => JSON.parse(text);

describe('our script before the status line of the person', () => {
  it('any command of theirs goes on as one word, and comes back as it was', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom("echo 'a b'", `sh -c "it's" '\\''`, "''", 'a\nb')),
        (theirs) => {
          const before = settings(theirs);
          const ours = withStatusLine(before, SCRIPT);
          expect(hasStatusLine(ours)).toBe(true);
          // Again, and from another place: still once.
          const again = withStatusLine(withStatusLine(ours, SCRIPT), '/new/intercom-statusline.sh');
          expect(parsed(withoutStatusLine(again))).toEqual(parsed(before));
        },
      ),
    );
  });

  it('where there is none, ours alone, and none again afterwards', () => {
    const ours = withStatusLine('{"model":"opus"}\n', SCRIPT);
    expect(parsed(ours)).toMatchObject({
      statusLine: { type: 'command', command: "'/home/me/it'\\''s here/hooks/intercom-statusline.sh'" },
    });
    expect(withStatusLine(ours, SCRIPT)).toBe(ours);
    expect(parsed(withoutStatusLine(ours))).toEqual({ model: 'opus' });
  });

  it('a form that is not known is left alone', () => {
    const strange = '{"statusLine":{"type":"builtin"}}';
    expect([withStatusLine(strange, SCRIPT), withoutStatusLine(strange)]).toEqual([strange, strange]);
    expect(withoutStatusLine(settings('mine'))).toBe(settings('mine'));
  });
});
