// The rules of the house about who may import whom (docs/architecture.md). Checked by `npm run lint`.
/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, dependencyTypesNot: ['type-only'] } },
    {
      name: 'protocol-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^src/protocol' },
      to: { path: '^(src|pwa)/', pathNot: '^src/protocol' },
    },
    {
      name: 'config-is-a-leaf',
      severity: 'error',
      from: { path: '^src/config' },
      to: { path: '^src/', pathNot: '^src/(config|protocol|platform)' },
    },
    {
      name: 'platform-knows-no-mode',
      severity: 'error',
      from: { path: '^src/platform' },
      to: { path: '^src/', pathNot: '^src/(platform|protocol)' },
    },
    {
      name: 'hub-does-not-know-daemon',
      severity: 'error',
      from: { path: '^src/hub' },
      to: { path: '^src/(daemon|mcp|cli)' },
    },
    {
      name: 'daemon-does-not-know-hub',
      severity: 'error',
      from: { path: '^src/daemon' },
      to: { path: '^src/(hub|mcp|cli)' },
    },
    {
      name: 'mcp-is-a-thin-client',
      severity: 'error',
      from: { path: '^src/mcp' },
      to: { path: '^src/(hub|daemon|cli)' },
    },
    {
      name: 'the-demo-is-an-agent-like-others',
      severity: 'error',
      from: { path: '^src/demo' },
      to: { path: '^src/', pathNot: '^src/(demo|platform|protocol)' },
    },
    {
      name: 'only-store-knows-the-database',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/((hub|daemon|platform)/store)' },
      to: { path: 'node_modules/(better-sqlite3|kysely)' },
    },
    {
      name: 'only-telegram-knows-grammy',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/hub/telegram' },
      to: { path: 'node_modules/grammy' },
    },
    {
      name: 'only-push-knows-web-push',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/hub/push' },
      to: { path: 'node_modules/(@types/)?web-push' },
    },
    {
      name: 'only-terminal-knows-node-pty',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/daemon/terminal' },
      to: { path: 'node_modules/node-pty' },
    },
    {
      name: 'only-terminal-knows-the-screen-model',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/daemon/terminal' },
      to: { path: 'node_modules/@xterm' },
    },
    {
      // A runner without a terminal, and the daemon, do not load what only terminals need.
      name: 'terminals-are-loaded-when-there-is-one',
      severity: 'error',
      from: { path: '^src/daemon', pathNot: '^src/daemon/terminal' },
      to: { path: '^src/daemon/terminal', dependencyTypesNot: ['type-only', 'dynamic-import'] },
    },
    {
      name: 'the-app-shares-only-the-protocol',
      severity: 'error',
      from: { path: '^pwa' },
      to: { path: '^src/', pathNot: '^src/protocol' },
    },
    {
      name: 'product-does-not-know-tests',
      severity: 'error',
      from: { path: '^(src|pwa|bin)' },
      to: { path: '^(test|bench)' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.node.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.tsx', '.js'],
    },
  },
};
