/**
 * What the models of the agents hold and cost: a table, as of 2026-11-29.
 *
 * Sources: Anthropic's page "Pricing" (platform.claude.com/docs/en/about-claude/pricing) and the catalogue that Claude Code 2.1.329 carries, which agree; OpenAI's page of
 * GPT-5-Codex. US dollars for a million tokens, at list prices: a subscription is billed otherwise. A model that is not here has no cost, never a guessed one.
 */

/** For a million tokens. */
export interface Prices {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  /** Kept for five minutes, and for an hour. */
  readonly cacheWrite: number;
  readonly cacheWrite1h: number;
}

interface Model {
  readonly prices: Prices;
  /** Above this many tokens of input the whole request has other prices. */
  readonly longPrompt?: { readonly above: number; readonly prices: Prices };
  /** Absent where the agent itself tells it. */
  readonly window?: number;
}

/** What one request used, as far as its price goes. */
export interface PricedUse {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  /** All of it, and of that what is kept for an hour. */
  readonly cacheWrite: number;
  readonly cacheWrite1h: number;
  readonly webSearches: number;
  /** Computed in the United States only, which costs a tenth more. */
  readonly usOnly: boolean;
  /** The faster kind has prices that are not in the table. */
  readonly fast: boolean;
}

const MILLION = 1_000_000;
const SMALL_WINDOW = 200_000;
export const LARGE_WINDOW = 1_000_000;
const WEB_SEARCH_USD = 0.01;
const US_ONLY = 1.1;

/** Anthropic's usual proportions: writing for five minutes 1.25 times the input, for an hour twice, reading a tenth. */
function prices(input: number, output: number, cacheRead = input / 10): Prices {
  return { input, output, cacheRead, cacheWrite: input * 1.25, cacheWrite1h: input * 2 };
}

/** By the beginning of the model's name; the longest that fits counts. */
const MODELS: Readonly<Record<string, Model>> = {
  'claude-3-5-haiku': { prices: prices(0.8, 4), window: SMALL_WINDOW },
  'claude-haiku-4-5': { prices: prices(1, 5), window: SMALL_WINDOW },
  'claude-haiku-5-5': {
    prices: prices(0.1, 0.5),
    longPrompt: { above: 100_000, prices: prices(0.5, 2.5) },
    window: LARGE_WINDOW,
  },
  'claude-3-5-sonnet': { prices: prices(3, 15), window: SMALL_WINDOW },
  'claude-3-7-sonnet': { prices: prices(3, 15), window: SMALL_WINDOW },
  'claude-sonnet-4': { prices: prices(3, 15), window: SMALL_WINDOW },
  'claude-sonnet-4-0': { prices: prices(3, 15), window: SMALL_WINDOW },
  'claude-sonnet-4-5': { prices: prices(3, 15), window: SMALL_WINDOW },
  'claude-sonnet-4-6': { prices: prices(3, 15), window: SMALL_WINDOW },
  'claude-sonnet-5': { prices: prices(2, 10), window: LARGE_WINDOW },
  'claude-sonnet-5-5': { prices: prices(2, 10, 0.1), window: LARGE_WINDOW },
  'claude-opus-4': { prices: prices(15, 75), window: SMALL_WINDOW },
  'claude-opus-4-0': { prices: prices(15, 75), window: SMALL_WINDOW },
  'claude-opus-4-1': { prices: prices(15, 75), window: SMALL_WINDOW },
  'claude-opus-4-5': { prices: prices(5, 25), window: SMALL_WINDOW },
  'claude-opus-4-6': { prices: prices(5, 25), window: SMALL_WINDOW },
  'claude-opus-4-7': { prices: prices(5, 25), window: LARGE_WINDOW },
  'claude-opus-4-8': { prices: prices(5, 25), window: LARGE_WINDOW },
  'claude-opus-5': { prices: prices(5, 25), window: LARGE_WINDOW },
  'claude-opus-5-5': { prices: prices(4, 20, 0.2), window: LARGE_WINDOW },
  'claude-fable-5': { prices: prices(10, 50), window: LARGE_WINDOW },
  'claude-fable-5-1': { prices: prices(10, 50, 0.25), window: LARGE_WINDOW },
  // Writing to its cache costs what input costs.
  'gpt-5-codex': { prices: { input: 1.25, output: 10, cacheRead: 0.125, cacheWrite: 1.25, cacheWrite1h: 1.25 } },
};

const NAMES = Object.keys(MODELS).sort((a, b) => b.length - a.length);

/** A name goes on with nothing, with its date, or with a mark of its window: `claude-opus-5-1` is not `claude-opus-5`. */
function modelOf(name: string): Model | undefined {
  // Other clouds put the maker before it: us.anthropic.claude-…
  const bare = name.slice(Math.max(0, name.indexOf('claude-')));
  const found = NAMES.find((known) => bare.startsWith(known) && isEnd(bare.slice(known.length)));
  return found === undefined ? undefined : MODELS[found];
}

/** What may follow a name that the table has: a date, a version of a cloud, the window. */
function isEnd(rest: string): boolean {
  return /^(-latest)?(-\d{8})?(-v\d+(:\d+)?|@\d{8})?(\[1m\])?$/.test(rest);
}

/** US dollars; undefined for a model, or a kind of request, whose price is not known. */
export function costOf(name: string, use: PricedUse): number | undefined {
  const model = modelOf(name);
  if (model === undefined || use.fast) return undefined;
  const { longPrompt } = model;
  const prompt = use.input + use.cacheRead + use.cacheWrite;
  const rate = longPrompt !== undefined && prompt > longPrompt.above ? longPrompt.prices : model.prices;
  const longWrites = Math.min(use.cacheWrite1h, use.cacheWrite);
  const tokens =
    use.input * rate.input +
    use.output * rate.output +
    use.cacheRead * rate.cacheRead +
    (use.cacheWrite - longWrites) * rate.cacheWrite +
    longWrites * rate.cacheWrite1h;
  return (tokens / MILLION) * (use.usOnly ? US_ONLY : 1) + use.webSearches * WEB_SEARCH_USD;
}

/**
 * How many tokens fit. `asked`: the longest prompt that was seen; one that is longer than the usual window proves that the session has the large one, which
 * several models have on demand without saying so in their name.
 */
export function windowOf(name: string | undefined, asked: number): number | undefined {
  if (name === undefined) return undefined;
  const usual = name.endsWith('[1m]') ? LARGE_WINDOW : (modelOf(name)?.window ?? guessed(name));
  return usual !== undefined && asked > usual ? Math.max(usual, LARGE_WINDOW) : usual;
}

/** A Claude model that is newer than the table: the smallest window that any of them has had. */
function guessed(name: string): number | undefined {
  return name.includes('claude-') ? SMALL_WINDOW : undefined;
}
