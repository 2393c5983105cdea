#!/bin/sh
# Tells the intercom daemon of one hook event and prints what it answers. Usage: intercom-hook.sh AGENT EVENT, the event on stdin.
# Ends at once and silently when no daemon runs here, and never fails its agent: the exit status is always 0.
# intercom.env beside this script says where the daemon is (INTERCOM_SOCKET) and which file holds the key as a header (INTERCOM_KEY_HEADER).
# An agent that intercom runs itself has hooks of its own.
[ -z "$INTERCOM_RUNNER" ] || exit 0
dir=${0%/*}
[ -r "$dir/intercom.env" ] || exit 0
. "$dir/intercom.env"
[ -S "$INTERCOM_SOCKET" ] || exit 0

# A decision of a person may take a day; the agent's own dialog stays usable meanwhile.
patience=4
case $2 in PermissionRequest | Elicitation) patience=86400 ;; esac

# -q: no ~/.curlrc; --noproxy: a proxy in the environment must not see this; Expect: no round trip before the body.
call() {
  curl -q -s -i --noproxy '*' --unix-socket "$INTERCOM_SOCKET" --connect-timeout 1 --max-time "$patience" -X POST \
    -H "@$INTERCOM_KEY_HEADER" -H 'Expect:' -H 'Content-Type: application/json' \
    -H "X-Intercom-Agent: $agent" -H "X-Intercom-Pid: $pid" -H "X-Intercom-Session: $CLAUDE_CODE_SESSION_ID" \
    --data-binary "$2" "http://localhost$1" 2>/dev/null
}

agent=$1
# Claude Code 2.1.3xx names its pid; before, it is our parent, as the command line in the settings is an exec.
pid=${CLAUDE_PID:-$PPID}
# The closing mark keeps the shell from dropping the newlines at the end.
answer=$(call "/local/hook/$agent/$2" @- && printf _) || exit 0
answer=${answer%_}
case $answer in 'HTTP/1.1 200'*) ;; *) exit 0 ;; esac

cr=$(printf '\r_')
cr=${cr%_}
gap="$cr
$cr
"
text=${answer#*"$gap"}
[ -n "$text" ] || exit 0
headers=${answer%%"$gap"*}
printf '%s\n' "$text" || exit 0

# Only now, with the text out of our hands, the hand-out counts as printed. The agent waits for this script, so it need not wait for that call.
case $headers in
*[Xx]-[Ii]ntercom-[Oo]ffer:*)
  offer=${headers#*[Xx]-[Ii]ntercom-[Oo]ffer: }
  offer=${offer%%"$cr"*}
  # exec: a shell that only redirects one command keeps the agent's pipes open beside it.
  {
    exec </dev/null >/dev/null 2>&1
    call "/local/hook/ack/$offer" ''
  } &
  ;;
esac
exit 0
