/** A copy of any configuration value with its secrets hidden, for `intercom config show`. */

/** Key names whose values are never shown, in the file's spelling and in ours. */
const SECRET_NAMES = /^(?:token|bot_token|botToken|secret|password|api_key|apiKey|authorization)$/;
/** An agent's variables: their names may be seen, their values are keys more often than not. */
const ENVIRONMENT = 'env';
const MASK = '•••• (hidden)';

export function maskSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(maskSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      SECRET_NAMES.test(key) && inner !== undefined && inner !== null && inner !== ''
        ? MASK
        : key === ENVIRONMENT
          ? hidden(inner)
          : maskSecrets(inner),
    ]),
  );
}

function hidden(variables: unknown): unknown {
  if (typeof variables !== 'object' || variables === null || Array.isArray(variables)) return maskSecrets(variables);
  return Object.fromEntries(Object.keys(variables).map((name) => [name, MASK]));
}
