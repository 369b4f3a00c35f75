#!/bin/sh
# Installs a Flatpak bundle and uses it, in its sandbox and with its own permissions: a question in the terminal, a
# recording, the window with a typed question, and the way out. As root, with flatpak, debootstrap, Xvfb, xdotool and
# ImageMagick installed:
#
#   sh packaging/check_flatpak.sh [--copy-host-config "FILE ..."] FOLDER BUNDLE
#
# Where the freedesktop runtime is not installed, a bare Debian stands in for it: what the sandbox allows and what the
# bundle brings is tried out as it is, the runtime's own libraries are not. Nothing outside FOLDER is changed.
# --copy-host-config  files that the bare Debian needs from this machine to reach its packages
set -eu

usage() {
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

if [ $# = 0 ] || [ "$(id -u)" != 0 ] || ! command -v flatpak >/dev/null || ! command -v debootstrap >/dev/null; then
    usage
fi
if [ -z "${LARIMAR_FRESH_ROOT:-}" ]; then
    LARIMAR_FRESH_ROOT=yes exec unshare --mount --pid --mount-proc --fork --kill-child sh "$0" "$@"
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
bundle=$2
app=io.github.larimar.Larimar
runtime=org.freedesktop.Platform
version=$(sed -n "s/^runtime-version: '\(.*\)'/\1/p" "$checkout/packaging/recipes/flatpak/$app.yml")
root=$folder/root
. "$checkout/packaging/bare_root.sh"

# what a desktop has of its own, such as the user's data, is kept apart as well
export HOME="$folder/home" FLATPAK_USER_DIR="$folder/user"
unset XDG_DATA_HOME XDG_CONFIG_HOME XDG_CACHE_HOME
rm -rf "$HOME" "$FLATPAK_USER_DIR" "$folder/runtime" "$folder/repository"
mkdir -p "$HOME/Music"

stand_in() {
    rm -rf "$root"
    make_root ca-certificates
    mount_root "$copied" ""
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "apt-get update -q &&
        apt-get install -y --no-install-recommends libegl1 libgl1 libfontconfig1 fonts-dejavu-core libdbus-1-3 \
        libwayland-cursor0 libwayland-egl1 libglib2.0-0 libpulse0 libx11-xcb1 libasound2-plugins"
    mkdir -p "$folder/runtime/files" "$folder/runtime/var"
    cp -a "$root/usr" "$folder/runtime/usr"
    cp -a "$root/etc" "$folder/runtime/usr/etc"
    printf '[Runtime]\nname=%s\nruntime=%s/x86_64/%s\nsdk=org.freedesktop.Sdk/x86_64/%s\n' \
        "$runtime" "$runtime" "$version" "$version" >"$folder/runtime/metadata"
    flatpak build-export --runtime --disable-sandbox "$folder/repository" "$folder/runtime" "$version"
    flatpak --user remote-add --no-gpg-verify stand-in "$folder/repository"
    flatpak --user install --noninteractive stand-in "runtime/$runtime/x86_64/$version"
}
if ! flatpak info --system "$runtime//$version" >/dev/null 2>&1; then
    timed stand-in stand_in
fi

timed install flatpak --user install --noninteractive --no-deps --bundle "$bundle"
larimar="flatpak run --user $app"
timed version $larimar --version
tail -n 1 "$folder/version.log"
timed answer $larimar ask 'Who are you?'
tail -n 3 "$folder/answer.log"
grep -q Larimar "$folder/answer.log"
timed doctor $larimar doctor
cat "$folder/doctor.log"
grep -q "PortAudio is missing" "$folder/doctor.log" && { say "It could not listen."; exit 1; }
# a file that the user did not choose in a dialogue is out of reach, unless flatpak is told
cp "$checkout/tests/resources/spoken_digits.wav" "$HOME/Music/recording.wav"
if $larimar transcribe "$HOME/Music/recording.wav" >"$folder/forbidden.log" 2>&1; then
    say "It reads files that nobody gave it."
    exit 1
fi
grep -q "There is no file" "$folder/forbidden.log"
timed recording flatpak run --user --filesystem="$HOME/Music:ro" $app transcribe "$HOME/Music/recording.wav"
cat "$folder/recording.log"
grep -q "3.*7.*0.*5" "$folder/recording.log"
timed window sh "$checkout/packaging/use_window.sh" "$folder/window.png" $larimar
say "The picture: $folder/window.png"

timed uninstall flatpak --user uninstall --noninteractive "$app"
left=$(find "$FLATPAK_USER_DIR" "$HOME/.local" -iname '*larimar*' -not -path '*/repo/*' 2>/dev/null || true)
if [ -n "$left" ]; then
    say "This was left behind:"
    printf '%s\n' "$left"
    exit 1
fi
say "Nothing is left but user data:"
find "$HOME" -iname '*larimar*' -prune
