#!/bin/sh
# Stands before your own status line command of Claude Code: prints what yours prints, and tells the intercom daemon what Claude Code told it
# (the window of the context, how much of your five hours and of your week is used). Usage: intercom-statusline.sh ['YOUR COMMAND'], the status on stdin.
# Never delays or changes your line: the daemon is told in the background, and whether it is there makes no difference.
# intercom.env beside this script says where the daemon is (INTERCOM_SOCKET) and which file holds the key as a header (INTERCOM_KEY_HEADER).
dir=${0%/*}
told=$(cat)

if [ -z "$INTERCOM_RUNNER" ] && [ -r "$dir/intercom.env" ]; then
  . "$dir/intercom.env"
  if [ -S "$INTERCOM_SOCKET" ]; then
    # exec: a shell that only redirects one command keeps the agent's pipes open beside it.
    {
      exec >/dev/null 2>&1
      printf '%s' "$told" | curl -q -s --noproxy '*' --unix-socket "$INTERCOM_SOCKET" --connect-timeout 1 --max-time 4 -X POST \
        -H "@$INTERCOM_KEY_HEADER" -H 'Expect:' -H 'Content-Type: application/json' --data-binary @- \
        http://localhost/local/hook/claude/StatusLine
    } &
  fi
fi

[ -z "$1" ] || printf '%s\n' "$told" | sh -c "$1"
