#!/bin/sh
# Proves the two commands of the README on a bare system: makes a minimal Debian or Ubuntu with nothing but Python in a
# folder, puts the committed checkout into it, and there runs packaging/run.sh and packaging/test.sh, timed; then opens
# the window on a virtual display, types a question and takes a picture. As root, with debootstrap installed:
#
#   sh packaging/check_fresh_root.sh [--copy-host-config "FILE ..."] [--bind "FOLDER ..."] [--skip-tests] FOLDER
#
# --copy-host-config  files that the bare system needs from this one to reach the network (certificates, pip's settings)
# --bind              folders of this machine that are visible there, read-only (local wheels, say)
# --skip-tests        leaves test.sh out
# FOLDER/root is made anew; the picture and the logs are left in FOLDER. The mirror and the release are this machine's;
# variables that begin with PIP_ are passed through.
set -eu

usage() {
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

if [ $# = 0 ] || [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    usage
fi
# In namespaces of its own, so that no mount and no process is left behind.
if [ -z "${LARIMAR_FRESH_ROOT:-}" ]; then
    LARIMAR_FRESH_ROOT=yes exec unshare --mount --pid --fork --kill-child sh "$0" "$@"
fi

copied=
bound=
tests=yes
while [ $# -gt 0 ]; do
    case $1 in
        --copy-host-config) copied=$2 && shift 2 ;;
        --bind) bound=$2 && shift 2 ;;
        --skip-tests) tests=no && shift ;;
        -*) usage ;;
        *) break ;;
    esac
done
[ $# = 1 ] || usage
checkout=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
root=$folder/root
rm -rf "$root"

. "$checkout/packaging/bare_root.sh"

# inside COMMAND...: in the bare system, in the checkout, with a clean environment.
inside() {
    # shellcheck disable=SC2046  # one word a variable; PIP_ variables have no spaces here
    chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
        $(env | grep '^PIP_' || true) sh -c "cd '/home/a user/larimar' && $*"
}

timed debootstrap make_root ca-certificates,python3
mount_root "$copied" "$bound"
mkdir -p "$root/home/a user/larimar"
git -C "$checkout" archive HEAD | tar -x -C "$root/home/a user/larimar"
say "$(inside python3 --version), $(inside 'dpkg -l | grep -c ^ii') packages"

timed first-answer inside "echo 'Who are you?' | sh packaging/run.sh"
tail -n 3 "$folder/first-answer.log"
timed second-answer inside "echo 'Who are you?' | sh packaging/run.sh"
timed doctor inside "sh packaging/run.sh doctor"
cat "$folder/doctor.log"
if [ $tests = yes ]; then
    timed tests inside "CI=true sh packaging/test.sh"
    tail -n 1 "$folder/tests.log"
    timed test-set-up-again inside "sh packaging/test.sh --version"
fi

timed window-tools inside "apt-get install -y --no-install-recommends xvfb xdotool imagemagick"
timed window inside "sh packaging/use_window.sh /tmp/window.png sh packaging/run.sh"
cp "$root/tmp/window.png" "$folder/window.png"
say "The picture: $folder/window.png"
