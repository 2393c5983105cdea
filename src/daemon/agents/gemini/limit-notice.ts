/** Whether Gemini CLI's words say that a provider's limit is reached, and in how many seconds it is over where they say that. */

const LIMIT = /quota|rate limit|usage limit|resource_exhausted|too many requests/i;

export function limitNotice(text: string): { readonly seconds: number | undefined } | undefined {
  if (!LIMIT.test(text)) return undefined;
  const found = /(?:retry in|reset after|resets in|try again in) ((?:\d+(?:\.\d+)?\s?[hms]\s?)+)/i.exec(text)?.[1];
  return { seconds: found === undefined ? undefined : seconds(found) };
}

const UNITS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 };

/** "1h 2m 3.5s" */
function seconds(words: string): number {
  let sum = 0;
  for (const [, number = '0', unit = 's'] of words.matchAll(/(\d+(?:\.\d+)?)\s?([hms])/gi)) {
    sum += Number(number) * (UNITS[unit.toLowerCase()] ?? 1);
  }
  return Math.ceil(sum);
}
