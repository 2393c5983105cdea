#!/bin/sh
# Waits until mail for an idle session is there, then ends with status 2 and one line on stderr: that wakes the session (asyncRewake).
# Usage: intercom-doorbell.sh AGENT. Ends with 0 when it is superseded, not needed, its agent is gone, or the daemon stays away.
# An agent that intercom runs itself is woken in another way.
[ -z "$INTERCOM_RUNNER" ] || exit 0
dir=${0%/*}
[ -r "$dir/intercom.env" ] || exit 0
. "$dir/intercom.env"
[ -S "$INTERCOM_SOCKET" ] || exit 0
agent=$1
pid=${CLAUDE_PID:-$PPID}

# A new daemon after an upgrade is waited for this long; then the next turn of the agent starts another waiter.
patience=30
while kill -0 "$pid" 2>/dev/null; do
  # One slice of waiting; the daemon ends it early when there is something to say or the agent has died.
  answer=$(curl -q -s -w '\n%{http_code}' --noproxy '*' --unix-socket "$INTERCOM_SOCKET" --connect-timeout 1 --max-time 50 \
    -H "@$INTERCOM_KEY_HEADER" -H "X-Intercom-Agent: $agent" -H "X-Intercom-Pid: $pid" \
    -H "X-Intercom-Session: $CLAUDE_CODE_SESSION_ID" "http://localhost/local/doorbell/$agent?session=$CLAUDE_CODE_SESSION_ID&pid=$pid" 2>/dev/null)
  status=$?
  case $answer in
  *200)
    printf '%s\n' "${answer%?200}" >&2
    exit 2
    ;;
  *000) ;;
  *) exit 0 ;;
  esac
  # 28: the slice is over. Anything else without an answer: the daemon is away.
  if [ "$status" -ne 28 ]; then
    patience=$((patience - 1))
    [ "$patience" -gt 0 ] || exit 0
    sleep 1 </dev/null >/dev/null 2>&1
  fi
done
exit 0
