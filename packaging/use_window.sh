#!/bin/sh
# Starts Larimar on a display of its own, types a question, waits for the answer, takes a picture and closes the window.
# Used by the check scripts, within what they check.
#
#   sh use_window.sh PICTURE COMMAND...
set -eu
picture=$1
shift
display=:7
work=$(mktemp -d)
Xvfb $display -screen 0 1280x800x24 -nolisten tcp -noreset >/dev/null 2>&1 &
xvfb=$!
trap 'kill $xvfb 2>/dev/null; rm -rf "$work"' EXIT
export DISPLAY=$display
until xdotool getdisplaygeometry >/dev/null 2>&1; do :; done
mkfifo "$work/said"
"$@" --verbose 2>"$work/said" &
larimar=$!
exec 3<"$work/said"
until_said() {
    while read -r line <&3; do
        echo "$line"
        case $line in *"$1"*) return ;; esac
    done
    echo "It ended before it said: $1"
    exit 1
}
until_said 'The session is ready'
window=$(timeout 60 xdotool search --sync --onlyvisible --name '^Larimar')
xdotool windowfocus --sync "$window"
xdotool type 'Who are you?'
xdotool key Return
until_said 'The session is generating'
until_said 'The session is ready'
import -window root "$picture"
xdotool key ctrl+q
wait $larimar
