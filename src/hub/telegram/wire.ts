/** What is read of Telegram's updates. Everything else in them is left alone; an update that does not fit is skipped. */
import { z } from 'zod';

const User = z.object({ id: z.number().int(), is_bot: z.boolean().default(false) });
const Chat = z.object({ id: z.number().int(), type: z.enum(['private', 'group', 'supergroup', 'channel']) });

const Replied = z.object({
  message_id: z.number().int(),
  /** In a topic every message formally answers the service message that made the topic. */
  forum_topic_created: z.unknown().optional(),
});

/** Contents that a person sends on purpose and that do not go through yet. Service messages are not among them. */
const MEDIA = [
  'photo',
  'document',
  'voice',
  'video',
  'video_note',
  'audio',
  'animation',
  'sticker',
  'location',
  'contact',
  'poll',
] as const;

const Message = z
  .object({
    message_id: z.number().int(),
    from: User.optional(),
    chat: Chat,
    text: z.string().max(100_000).optional(),
    message_thread_id: z.number().int().optional(),
    is_topic_message: z.boolean().optional(),
    reply_to_message: Replied.optional(),
    migrate_to_chat_id: z.number().int().optional(),
  })
  .loose()
  .transform((message) => ({
    id: message.message_id,
    from: message.from,
    chat: message.chat,
    text: message.text,
    topicId: message.is_topic_message === true ? message.message_thread_id : undefined,
    replyTo:
      message.reply_to_message?.forum_topic_created === undefined ? message.reply_to_message?.message_id : undefined,
    movedTo: message.migrate_to_chat_id,
    isMedia: MEDIA.some((field) => field in message),
  }));
export type IncomingMessage = z.infer<typeof Message>;

const CallbackQuery = z.object({
  id: z.string().max(200),
  from: User,
  data: z.string().max(64).optional(),
  message: z.object({ message_id: z.number().int(), chat: Chat }).optional(),
});
export type IncomingPress = z.infer<typeof CallbackQuery>;

export const IncomingUpdate = z.object({
  update_id: z.number().int(),
  message: Message.optional(),
  edited_message: Message.optional(),
  callback_query: CallbackQuery.optional(),
  /** Our own membership or rights changed. */
  my_chat_member: z.object({ chat: Chat }).optional(),
});
export type IncomingUpdate = z.infer<typeof IncomingUpdate>;

export const ALLOWED_UPDATES = ['message', 'edited_message', 'callback_query', 'my_chat_member'] as const;
