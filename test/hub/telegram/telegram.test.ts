import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../../src/protocol/ids.ts';
import { ANN, GROUP, Room } from './room.ts';

let room: Room;
beforeEach(async () => {
  room = await Room.open();
});
afterEach(() => room.close());

const first = { from: 'laptop/api', to: 'server/web' };

describe('cards', () => {
  it('shows the whole message, takes Allow, and keeps the text with who, where and when', async () => {
    room.telegram.addForum(GROUP);
    room.start();
    const { approval, message } = room.hub.held({ ...first, body: 'Please run <all> & "every" test' });
    await room.settled();
    const [topic] = room.telegram.topics(GROUP);
    expect(topic?.name).toBe('laptop/api ⇄ server/web: Please run <all> & "every" test');
    const [card] = room.telegram.messages(GROUP, topic?.id);
    expect(card?.content.text).toContain('Please run <all> & "every" test');
    expect(card?.content.text).toContain('rule 2');
    expect(card?.buttons.flat().map((button) => button.text)).toEqual([
      '✅ Allow once',
      '✅ This conversation',
      '✅ Always',
      '⛔ Deny',
    ]);
    const pressed = room.telegram.press(GROUP, card?.id ?? 0, ANN, 'This conversation');
    await room.until(() => room.hub.approvals.get(approval.id)?.state === 'allowed');
    expect((await pressed).text).toBe('Allowed for this conversation.');
    room.hub.move(message.id, { state: 'delivered' });
    await room.settled();
    const after = room.telegram.message(GROUP, card?.id ?? 0);
    expect(after.content.text).toContain('Please run <all> & "every" test');
    expect(after.content.text).toContain('Allowed for this conversation by ann (Telegram), 21 Nov 14:0');
    expect(after.content.text).toContain('✓ delivered');
    expect(after.buttons).toEqual([]);
    expect(room.telegram.refusals()).toEqual([]);
    expect(newId('message')).toBeTruthy();
  });
});
