#!/bin/sh
# Sets the test environment up where that is still to be done, and runs all checks: sh packaging/test.sh
# With arguments only pytest runs, with them: sh packaging/test.sh tests/gui -k stop
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/packaging/environment.sh"

prepare_environment "${LARIMAR_VENV:-$root/.venv-test}" export,test \
    "$root/packaging/system_run.txt" "$root/packaging/system_test.txt"
cd "$root"
python=$venv/bin/python
failed=
# Where Node.js is, folders of ours are run in transformers.js as well; without it these tests skip.
case "$*" in
    "" | *transformers_js*) "$python" tests/transformers_js/install.py || say "Going on without transformers.js." ;;
esac

check() {
    printf '== %s\n' "$*"
    "$@" || failed="$failed $1"
}

if [ $# = 0 ]; then
    check "$python" -m ruff check .
    check "$python" -m ruff format --check .
    check "$python" -m mypy
    check "$venv/bin/lint-imports"
fi
printf '== pytest\n'
status=0
if [ $# = 0 ]; then
    # Journeys hear and speak in real time, so nothing runs beside them.
    "$python" -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not journey" || status=$?
    printf '== journeys\n'
    "$python" -m pytest -m journey || status=$?
else
    "$python" -m pytest "$@" || status=$?
fi
if [ -n "$failed" ]; then
    say "A check before the tests failed; see above."
    [ $status != 0 ] || status=1
fi
exit $status
