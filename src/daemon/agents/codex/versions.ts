/** Which versions of Codex our part of its app-server protocol was held against. Others are used too, as far as they can be read, with a note. */
const VERSIONS: readonly string[] = ['0.169.0'];

export const KNOWN = VERSIONS.join(' and ');

export function isKnownVersion(version: string): boolean {
  return VERSIONS.includes(version);
}
