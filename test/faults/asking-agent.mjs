#!/usr/bin/env node
// An agent of the Agent Client Protocol for tests, in opencode's place: asked to "ask" it wants a permission, asked to "hold" it works until it is interrupted.
import { createInterface } from 'node:readline';

if (process.argv.includes('--version')) {
  console.log('1.18.33');
  process.exit(0);
}
const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const options = [
  { optionId: 'once', name: 'Once', kind: 'allow_once' },
  { optionId: 'no', name: 'No', kind: 'reject_once' },
];
let prompt;
const end = (stopReason, text = '') => {
  const { id, params } = prompt;
  const update = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } };
  if (text !== '') send({ method: 'session/update', params: { sessionId: params.sessionId, update } });
  send({ id, result: { stopReason } });
};
createInterface({ input: process.stdin }).on('line', (line) => {
  const message = JSON.parse(line);
  const { id, method, params } = message;
  if (method === undefined) end('end_turn', `was told: ${JSON.stringify(message.result)}`);
  else if (method === 'initialize')
    send({ id, result: { protocolVersion: 1, agentCapabilities: { loadSession: true } } });
  else if (method === 'session/new') send({ id, result: { sessionId: `asking-${process.pid}` } });
  else if (method === 'session/cancel') end('cancelled');
  else if (method === 'session/prompt') {
    prompt = message;
    const text = JSON.stringify(params.prompt);
    const toolCall = {
      toolCallId: 'call-1',
      title: 'rm old.txt',
      kind: 'execute',
      status: 'pending',
      rawInput: { command: 'rm old.txt' },
    };
    if (text.includes('please ask'))
      send({
        id: 'p1',
        method: 'session/request_permission',
        params: { sessionId: params.sessionId, toolCall, options },
      });
    else if (!text.includes('please hold')) end('end_turn', 'went on');
  } else if (id !== undefined) send({ id, result: {} });
});
