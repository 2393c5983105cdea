/** The commented configuration that `intercom init` writes: what was chosen, and everything else as a comment to uncomment. */

export interface InitAnswers {
  readonly mode: 'standalone' | 'hub' | 'daemon';
  readonly machineId: string;
  readonly displayName?: string;
  readonly scanPaths: readonly string[];
  readonly hubUrl?: string;
  readonly dashboardUrl?: string;
  readonly telegram?: {
    readonly botToken: string;
    readonly supergroupId?: number;
    readonly ownerIds: readonly number[];
  };
}

export function configTemplate(answers: InitAnswers): string {
  return `${[head(answers), machine(answers), hub(answers), discovery(answers), telegram(answers), rest()].join('\n\n')}\n`;
}

function head({ mode }: InitAnswers): string {
  return `# intercom: the configuration of this machine. \`intercom config check\` reads it and names every fault.
# Keep it to yourself (chmod 600): it can hold secrets.

# standalone: hub and daemon in one process · hub: the hub alone · daemon: this machine belongs to a hub elsewhere
mode: ${mode}`;
}

function machine(answers: InitAnswers): string {
  const name =
    answers.displayName === undefined ? `# display_name: "My laptop"` : `display_name: ${quoted(answers.displayName)}`;
  return `machine:
  # The first half of every address here: ${answers.machineId}/project
  id: ${quoted(answers.machineId)}
  ${name}
  # description: "what it is for"
  # tailscale_ip: 100.64.0.1        # only if Tailscale gives several`;
}

function hub(answers: InitAnswers): string {
  const url =
    answers.hubUrl === undefined
      ? `# url: "http://100.64.0.1:7700"   # the hub of this machine; \`intercom join\` writes it`
      : `url: ${quoted(answers.hubUrl)}`;
  const dashboard =
    answers.dashboardUrl === undefined
      ? `# dashboard_url: "https://mesh.example"   # the web app as your phone reaches it; used in links`
      : `dashboard_url: ${quoted(answers.dashboardUrl)}`;
  return `hub:
  ${url}
  # listen: auto                     # loopback and the Tailscale address; or an IP address, or a list of them
  # port: 7700
  # daemon_listen: auto
  # daemon_port: 7701
  ${dashboard}`;
}

function discovery({ scanPaths }: InitAnswers): string {
  const paths =
    scanPaths.length === 0
      ? `  # scan_paths: ["~/projects"]       # folders whose projects are found by themselves`
      : `  scan_paths:\n${scanPaths.map((path) => `    - ${quoted(path)}`).join('\n')}`;
  return `discovery:
  enabled: true
${paths}
  # detect_by: [CLAUDE.md, AGENTS.md, GEMINI.md, .claude]
  # exclude: ["**/node_modules", "**/archive"]

# Projects that are not found by themselves, or that need a description:
# projects:
#   - id: website
#     path: ~/work/website
#     description: "the public web site"
#     capabilities: [code, deploy]`;
}

function telegram({ telegram: given }: InitAnswers): string {
  if (given === undefined) {
    return `# Telegram is optional: the web page and the command line can do everything too.
# telegram:
#   bot_token: "123456:ABC…"          # from @BotFather; or the variable TELEGRAM_BOT_TOKEN
#   supergroup_id: -1001234567890     # a group with topics, the bot being its administrator
#   security:
#     allowed_users: [11111111]       # Telegram user ids; an empty list means nobody`;
  }
  const group =
    given.supergroupId === undefined ? '# supergroup_id: -1001234567890' : `supergroup_id: ${given.supergroupId}`;
  return `telegram:
  bot_token: ${quoted(given.botToken)}
  ${group}
  security:
    allowed_users: [${given.ownerIds.join(', ')}]
    # restrict_to_supergroup: false
    # ignore_private_messages: false`;
}

function rest(): string {
  return `# People who decide. Without this list the allowed users of Telegram are owners, and so is whoever runs the hub.
# operators:
#   - { name: anna, role: owner, telegram_user_id: 11111111 }
#   - { name: guest, role: viewer }

# limits:
#   approval_expiry_seconds: 86400     # how long a card waits; running out never means yes
#   message_expiry_seconds: 604800
#   replies_per_message: 5             # loop guard: beyond it a person is asked
#   messages_per_pair_per_minute: 30
#   ask_depth: 4

# push:                              # notices of the web app on your phone
#   contact: mailto:you@example.org  # whom the push services of the browsers may write to
#   allow_private: false             # true: push services of your own, at private addresses

# retention:
#   messages_days: 365
#   events_days: 30

# Starting agents from elsewhere. Each start is asked for (policies.yml, type start_agent) unless a rule lets it pass.
# agent_launcher:
#   default_command: claude
#   allowed_paths: ["~/projects"]      # empty: every project of this machine
#   max_mission_duration: 1800         # seconds a mission may work; waiting for you or for the model provider does not count
#   max_idle: 900                      # seconds without any sign of work
#   max_concurrent: 4                  # missions at a time on this machine (0: none are started here), the others wait in line
#   max_per_project: 2
#   max_depth: 3                       # agents that start agents that start agents
#   keep_open: 600                     # seconds a terminal stays open after its mission
#   worktrees: remove_clean            # or keep
#   agents:
#     claude:
#       flags: ["--model=<name>"]      # what a caller may ask for, in place of the built-in list
#     my-agent:
#       command: ~/bin/my-agent        # any program; it gets the mission as its last argument, or on stdin
#       prompt: stdin
#       pass_env: [MY_AGENT_KEY]       # variables of the daemon's environment that it gets`;
}

/** Single quotes where that is enough; else a JSON string, which is a YAML string whatever is in it. */
function quoted(text: string): string {
  return /^[\p{L}\p{N}\p{P}\p{S} ]+$/u.test(text) && !text.includes("'") ? `'${text}'` : JSON.stringify(text);
}
