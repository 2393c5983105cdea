/** How a use of a tool is said in one line, on every surface and in every notice. */

/** What labels of tools begin with ("Run: npm test", "Edit src/app.ts"): said again by the tool's name. */
const VERB = /^(?:Run|Search|Delegate|Search the web): |^(?:Edit|Write|Read|List|Open) /;

/** "Bash: npm publish". `summary` is the label of the call; where it names the tool itself it stands alone. */
export function toolLine({ tool, summary }: { readonly tool: string; readonly summary: string }): string {
  const rest = summary.replace(VERB, '');
  const isNamed = rest === '' || tool.startsWith('mcp__') || rest.toLowerCase().startsWith(tool.toLowerCase());
  return isNamed ? summary : `${tool}: ${rest}`;
}
