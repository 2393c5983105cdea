/** How a session is named in this app: `machine#session`, because ids of sessions are their agents' own. */
export function sessionKey(machine: string, session: string): string {
  return `${machine}#${session}`;
}
