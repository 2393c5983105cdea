#!/bin/sh
# Tells intercom of one hook event of Gemini CLI and prints what it answers. Usage: intercom-gemini-hook.sh EVENT, the event on stdin.
# In a session that intercom started it calls the runner (INTERCOM_HOOK_URL), else the daemon: intercom.env beside this script says where that is
# (INTERCOM_SOCKET) and which file holds the key as a header (INTERCOM_KEY_HEADER).
# Ends silently when nobody is there, and never fails its agent: Gemini CLI takes whatever is printed, on stderr too, for an answer.
exec 2>/dev/null
if [ -n "$INTERCOM_HOOK_URL" ] && [ -n "$INTERCOM_HOOK_TOKEN" ]; then
  # The token goes in by a file descriptor: a command line can be read by others.
  curl -q -s -f --noproxy '*' --connect-timeout 1 --max-time 20 -K /dev/fd/3 -H 'Expect:' -H 'Content-Type: application/json' \
    --data-binary @- "$INTERCOM_HOOK_URL/$1" 3<<END
header = "Authorization: Bearer $INTERCOM_HOOK_TOKEN"
END
  exit 0
fi
# A runner's session without its address: none of the daemon's.
[ -z "$INTERCOM_RUNNER" ] || exit 0
dir=${0%/*}
[ -r "$dir/intercom.env" ] || exit 0
. "$dir/intercom.env"
[ -S "$INTERCOM_SOCKET" ] || exit 0

# -q: no ~/.curlrc; --noproxy: a proxy in the environment must not see this; Expect: no round trip before the body.
call() {
  curl -q -s -i --noproxy '*' --unix-socket "$INTERCOM_SOCKET" --connect-timeout 1 --max-time 4 -X POST \
    -H "@$INTERCOM_KEY_HEADER" -H 'Expect:' -H 'Content-Type: application/json' \
    -H 'X-Intercom-Agent: gemini' -H "X-Intercom-Pid: $PPID" -H "X-Intercom-Session: $GEMINI_SESSION_ID" \
    --data-binary "$2" "http://localhost$1"
}

# The closing mark keeps the shell from dropping the newlines at the end.
answer=$(call "/local/hook/gemini/$1" @- && printf _) || exit 0
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

# Only now, with the text out of our hands, the hand-out counts as printed.
case $headers in
*[Xx]-[Ii]ntercom-[Oo]ffer:*)
  offer=${headers#*[Xx]-[Ii]ntercom-[Oo]ffer: }
  offer=${offer%%"$cr"*}
  call "/local/hook/ack/$offer" '' >/dev/null
  ;;
esac
exit 0
