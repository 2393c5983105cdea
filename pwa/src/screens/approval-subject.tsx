/** What a card says about the thing that is decided: one part per kind of approval, the whole of it. */
import type {
  QuestionSubject,
  ApprovalSubject,
  JoinSubject,
  LaunchSubject,
  MessageSubject,
  ToolSubject,
} from '../../../src/protocol/model.ts';
import { describeAddress } from '../core/addresses.ts';
import { mayAct } from '../core/app.ts';
import { looksLikeDiff } from '../core/diff.ts';
import { hrefOf } from '../core/routes.ts';
import type { MeshState } from '../core/state.ts';
import { KIND_LABEL, limitWords, plainTitle } from '../core/words.ts';
import { DiffText } from '../ui/diff.tsx';
import { RouteLine } from '../ui/route-line.tsx';
import { AgentText } from '../ui/text.tsx';

export function subjectLabel(subject: ApprovalSubject): string {
  switch (subject.kind) {
    case 'join':
      return 'New machine';
    case 'launch':
      return 'Start of an agent';
    case 'tool':
      return subject.plan === true ? 'Plan' : 'Permission';
    case 'question':
      return 'Question';
    case 'message':
    case 'ask':
      return KIND_LABEL[subject.messageKind];
  }
}

export function SubjectBody(props: {
  readonly state: MeshState;
  readonly subject: ApprovalSubject;
  readonly titleId: string;
  /** The session that asks stands above already. */
  readonly hasWho: boolean;
}) {
  const { state, subject, titleId } = props;
  switch (subject.kind) {
    case 'join':
      return <JoinBody subject={subject} titleId={titleId} />;
    case 'launch':
      return <LaunchBody state={state} subject={subject} titleId={titleId} />;
    case 'tool':
      return <ToolBody state={state} subject={subject} titleId={titleId} hasWho={props.hasWho} />;
    case 'question':
      return <QuestionBody state={state} subject={subject} titleId={titleId} />;
    case 'message':
    case 'ask':
      return <MessageBody state={state} subject={subject} titleId={titleId} />;
  }
}

/** What is to be known before one answers; the questions themselves stand where they are answered. */
function QuestionBody(props: {
  readonly state: MeshState;
  readonly subject: QuestionSubject;
  readonly titleId: string;
}) {
  const { state, subject } = props;
  const { who, where } = describeAddress(state, subject.from);
  return (
    <>
      <h2 class="visually-hidden" id={props.titleId}>
        {who} on {where} asks
      </h2>
      {subject.context !== undefined && (
        <div class="quote">
          <AgentText text={subject.context} />
        </div>
      )}
      {subject.cut && <Cut />}
      {!mayAct(state.me) && (
        <ol class="questions-read">
          {subject.questions.map((question) => (
            <li key={question.id}>
              <AgentText text={question.text} />
              <ul>
                {question.options.map((option, index) => (
                  <li key={index}>{option.label}</li>
                ))}
              </ul>
            </li>
          ))}
        </ol>
      )}
      <OfMission missionId={subject.missionId} />
    </>
  );
}

/** More than what could be sent here. */
function Cut() {
  return (
    <p class="bar tone-wait">
      <span>This is longer than what could be sent here. Look at the agent’s terminal before you decide.</span>
    </p>
  );
}

function OfMission({ missionId }: { readonly missionId: string | undefined }) {
  if (missionId === undefined) return null;
  return (
    <p class="card-thread">
      <a href={hrefOf({ at: 'mission', id: missionId })}>The mission that it works on</a>
    </p>
  );
}

function MessageBody(props: { readonly state: MeshState; readonly subject: MessageSubject; readonly titleId: string }) {
  const { state, subject } = props;
  const from = describeAddress(state, subject.from);
  const to = describeAddress(state, subject.to);
  const opensThread = subject.body.startsWith(subject.threadTitle.replace(/…$/, ''));
  return (
    <>
      <h2 class="visually-hidden" id={props.titleId}>
        {KIND_LABEL[subject.messageKind]} from {from.who} on {from.where} to {to.who} on {to.where}
      </h2>
      <RouteLine state={state} from={subject.from} to={subject.to} tone="wait" />
      {!opensThread && subject.threadTitle !== '' && (
        <p class="card-thread">
          In <a href={hrefOf({ at: 'thread', id: subject.threadId })}>{plainTitle(subject.threadTitle)}</a>
        </p>
      )}
      <div class="quote">
        <AgentText text={subject.body} exact />
      </div>
    </>
  );
}

function JoinBody({ subject, titleId }: { readonly subject: JoinSubject; readonly titleId: string }) {
  return (
    <>
      <h2 class="join-title" id={titleId}>
        {subject.displayName} wants to join
      </h2>
      <p class="join-code" aria-label={`Code ${subject.code.split('').join(' ')}`}>
        {subject.code}
      </p>
      <p class="join-advice">
        The machine shows a code too. Let it join only if <strong>both are the same</strong>.
      </p>
      {subject.replaces && (
        <p class="bar tone-wait">
          <span>
            A machine with this id is a member already. It gets a new secret and this address; the old secret stops
            working.
          </span>
        </p>
      )}
      <dl class="facts">
        <dt>Id</dt>
        <dd class="mono">{subject.machineId}</dd>
        <dt>Asks from</dt>
        <dd class="mono">{subject.ip}</dd>
        <dt>Its daemon</dt>
        <dd class="mono">{subject.daemonUrl}</dd>
      </dl>
    </>
  );
}

function LaunchBody(props: { readonly state: MeshState; readonly subject: LaunchSubject; readonly titleId: string }) {
  const { state, subject } = props;
  const to = describeAddress(state, subject.to);
  const limits = limitWords(subject.limits);
  return (
    <>
      <h2 class="visually-hidden" id={props.titleId}>
        {describeAddress(state, subject.from).who} wants to start {subject.agent} at {to.who} on {to.where}
      </h2>
      <RouteLine state={state} from={subject.from} to={subject.to} tone="wait" />
      <div class="quote">
        <AgentText text={subject.body} exact />
      </div>
      <dl class="facts">
        <dt>Agent</dt>
        <dd>
          {subject.agent}, {subject.runtime === 'terminal' ? 'in a terminal' : 'without a terminal'}
        </dd>
        <dt>Directory</dt>
        <dd class="mono">{subject.path}</dd>
        {subject.flags.length > 0 && (
          <>
            <dt>Flags</dt>
            <dd class="mono">{subject.flags.join(' ')}</dd>
          </>
        )}
        {subject.isolation === 'worktree' && (
          <>
            <dt>Works in</dt>
            <dd>a git worktree and branch of its own</dd>
          </>
        )}
        {limits !== '' && (
          <>
            <dt>Limits</dt>
            <dd>{limits}</dd>
          </>
        )}
        {subject.depth > 1 && (
          <>
            <dt>Depth</dt>
            <dd>{subject.depth} agents in a row started agents</dd>
          </>
        )}
        {subject.continues !== undefined && (
          <>
            <dt>Goes on</dt>
            <dd>{subject.continues}</dd>
          </>
        )}
      </dl>
    </>
  );
}

function ToolBody(props: {
  readonly state: MeshState;
  readonly subject: ToolSubject;
  readonly titleId: string;
  readonly hasWho: boolean;
}) {
  const { state, subject, hasWho } = props;
  const { who, where } = describeAddress(state, subject.from);
  const isPlan = subject.plan === true;
  return (
    <>
      <h2 class={hasWho && isPlan ? 'visually-hidden' : 'tool-title'} id={props.titleId}>
        {hasWho && <span class="visually-hidden">{who}: </span>}
        {toolTitle(hasWho ? '' : who, subject)}
      </h2>
      {subject.intent !== undefined && <p class="tool-intent">{subject.intent}</p>}
      <ToolInput subject={subject} />
      {subject.cut && <Cut />}
      <dl class="facts">
        {!hasWho && (
          <>
            <dt>Session</dt>
            <dd>
              {where} ({subject.agent})
            </dd>
          </>
        )}
        <dt>Directory</dt>
        <dd class="mono">{subject.cwd}</dd>
      </dl>
      <OfMission missionId={subject.missionId} />
    </>
  );
}

/** "infra wants to use Bash", or "Wants to use Bash" where the session stands above. */
function toolTitle(who: string, { plan, tool }: ToolSubject): string {
  const title = plan === true ? `${who} has a plan` : `${who} wants to use ${tool}`;
  return who === '' ? `${title.charAt(1).toUpperCase()}${title.slice(2)}` : title;
}

/** A plan reads as a text, an edit as what goes and what comes, everything else exactly as it will run. */
function ToolInput({ subject }: { readonly subject: ToolSubject }) {
  if (subject.plan === true) {
    return (
      <div class="quote plan">
        <AgentText text={subject.input} />
      </div>
    );
  }
  return (
    <div class="quote mono">
      {looksLikeDiff(subject.input) ? <DiffText text={subject.input} /> : <AgentText text={subject.input} exact />}
    </div>
  );
}
