/** What the Telegram surface needs of the configuration. */

/** The section `telegram` of the configuration, read and checked. */
export interface TelegramConfig {
  /** Absent: the surface stays off. Never logged. */
  readonly botToken: string | undefined;
  /** The group that is the home of all cards; absent: the private chat of the first allowed user. */
  readonly supergroupId: number | undefined;
  /** https://api.telegram.org, or a self-hosted Bot API server. */
  readonly apiRoot: string;
  /** An empty list means that nobody may use the bot. */
  readonly allowedUsers: readonly number[];
  /** Private chats are ignored, but for the one that is the home. */
  readonly restrictToSupergroup: boolean;
  readonly ignorePrivateMessages: boolean;
}

/** The chat where cards and conversations are shown, or undefined if none is configured. */
export function homeChat(config: TelegramConfig): number | undefined {
  return config.supergroupId ?? config.allowedUsers[0];
}
