#!/bin/sh
# Installs a package in a bare system and uses it as a stranger would: a question in the terminal, the window from the
# menu entry's command with a typed question, a recording, and the way out, after which only user data may be left.
# For a .deb, and for an .AppImage or .tar.xz, whose bare system has no Python. As root, with debootstrap installed:
#
#   sh packaging/check_package.sh [--copy-host-config "FILE ..."] FOLDER PACKAGE
#
# --copy-host-config  files that the bare system needs from this one to reach its packages (certificates, apt's settings)
# FOLDER/root is made anew; the picture of the window and the logs are left in FOLDER.
set -eu

usage() {
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

if [ $# = 0 ] || [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    usage
fi
if [ -z "${LARIMAR_FRESH_ROOT:-}" ]; then
    LARIMAR_FRESH_ROOT=yes exec unshare --mount --pid --fork --kill-child sh "$0" "$@"
fi
copied=
while [ $# -gt 0 ]; do
    case $1 in
        --copy-host-config) copied=$2 && shift 2 ;;
        -*) usage ;;
        *) break ;;
    esac
done
[ $# = 2 ] || usage
checkout=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
package=$2
root=$folder/root
rm -rf "$root"
. "$checkout/packaging/bare_root.sh"

inside() {
    chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 sh -c "$*"
}

timed debootstrap make_root ca-certificates
mount_root "$copied" ""
inside 'command -v python3' && { say "The bare system has a Python: it proves nothing."; exit 1; }
cp "$package" "$root/tmp/"
file=/tmp/$(basename "$package")
inside 'find / -xdev -not -path "/proc/*" -not -path "/tmp/*" | sort' >"$folder/before.txt"

case $file in
    *.deb)
        timed install inside "apt-get update -q && apt-get install -y --no-install-recommends $file"
        # the entry's own command; those of its actions follow
        larimar=$(inside "sed -n 's/^Exec=//p' /usr/share/applications/io.github.larimar.Larimar.desktop | head -n 1")
        ;;
    *.AppImage)
        # what a desktop has anyway
        timed desktop inside "apt-get update -q && apt-get install -y --no-install-recommends libegl1 libgl1 \
            libfontconfig1 libdbus-1-3 libwayland-cursor0 libwayland-egl1 libglib2.0-0 libpulse0 libspeechd2 libx11-xcb1 \
            libasound2-plugins"
        larimar="$file"
        ;;
    *.tar.xz)
        timed desktop inside "apt-get update -q && apt-get install -y --no-install-recommends xz-utils libegl1 libgl1 \
            libfontconfig1 libdbus-1-3 libwayland-cursor0 libwayland-egl1 libglib2.0-0 libpulse0 libspeechd2 libx11-xcb1 \
            libasound2-plugins"
        timed unpack inside "tar -xf $file -C /opt"
        larimar=$(inside 'echo /opt/*/larimar')
        ;;
    *) usage ;;
esac
inside 'command -v python3' && { say "The package brought a Python of the system's: it should bring its own."; exit 1; }

timed version inside "$larimar --version"
tail -n 1 "$folder/version.log"
timed answer inside "$larimar ask 'Who are you?'"
tail -n 3 "$folder/answer.log"
grep -q Larimar "$folder/answer.log"
timed doctor inside "$larimar doctor || true"
cat "$folder/doctor.log"
grep -q "PortAudio is missing" "$folder/doctor.log" && { say "It could not listen."; exit 1; }
cp "$checkout/tests/resources/spoken_digits.wav" "$root/tmp/recording.wav"
timed recording inside "$larimar transcribe /tmp/recording.wav"
cat "$folder/recording.log"
grep -q "3.*7.*0.*5" "$folder/recording.log"

timed window-tools inside "apt-get install -y --no-install-recommends xvfb xdotool imagemagick"
cp "$checkout/packaging/use_window.sh" "$root/tmp/"
timed window inside "sh /tmp/use_window.sh /tmp/window.png $larimar"
cp "$root/tmp/window.png" "$folder/window.png"
say "The picture: $folder/window.png"

# An AppImage and a folder are removed by deleting them; what the AppImage unpacked lies in the user's cache.
case $file in
    *.deb) timed purge inside "apt-get purge -y larimar larimar-cuda; apt-get autoremove --purge -y" ;;
    *.AppImage) timed delete inside "rm -r $file /root/.cache/larimar" ;;
    *) timed delete inside "rm -r $(dirname "$larimar") $file" ;;
esac
left=$(inside 'find / -xdev -iname "*larimar*" -not -path "/proc/*" -not -path "/tmp/*" -not -path "/root/*" \
    -not -path "/var/lib/apt/*" -not -path "/var/cache/*" -not -path "/var/log/*"')
if [ -n "$left" ]; then
    say "This was left behind:"
    printf '%s\n' "$left"
    exit 1
fi
say "Nothing is left but user data:"
inside 'find /root -iname "*larimar*" -prune'
