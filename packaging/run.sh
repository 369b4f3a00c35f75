#!/bin/sh
# Sets Larimar up where that is still to be done, and starts it: sh packaging/run.sh [arguments of main.py]
# environment.sh, beside this file, says which variables change what it does.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/packaging/environment.sh"

prepare_environment "${LARIMAR_VENV:-$root/.venv}" "" "$root/packaging/system_run.txt"
exec "$venv/bin/python" "$root/main.py" "$@"
