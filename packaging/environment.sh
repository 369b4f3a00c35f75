# shellcheck shell=sh
# What run.sh and test.sh share: makes a virtual environment and keeps it up to date. Sourced, POSIX sh.
# The caller sets root (the checkout) and then calls prepare_environment.
#
#   LARIMAR_VENV     where the environment lies, instead of .venv (run.sh) or .venv-test (test.sh) in the checkout
#   LARIMAR_PYTHON   the Python to make it with (3.11 to 3.14), instead of the first one found
#   LARIMAR_EXTRA    cpu or gpu, instead of asking nvidia-smi

root=${root:?the caller sets it: the folder of the checkout}

say() { printf '%s\n' "$*" >&2; }

stop() {
    say "$*"
    exit 1
}

find_python() {
    for candidate in ${LARIMAR_PYTHON:+"$LARIMAR_PYTHON"} python3 python3.13 python3.12 python3.14 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
            python=$candidate
            return
        fi
    done
    stop "Larimar needs Python 3.11, 3.12, 3.13 or 3.14, and none was found. On Debian or Ubuntu, as root:" \
        "apt-get install python3 python3-venv. If it lies elsewhere, name it: LARIMAR_PYTHON=/path/to/python3"
}

# choose_extra STAMP: sets extra. nvidia-smi can take a second, so it is asked only while the last answer was "cpu".
choose_extra() {
    extra=cpu
    if [ -n "${LARIMAR_EXTRA:-}" ]; then
        case $LARIMAR_EXTRA in
            cpu | gpu) extra=$LARIMAR_EXTRA ;;
            *) stop "LARIMAR_EXTRA is cpu or gpu, not $LARIMAR_EXTRA." ;;
        esac
    elif [ "$(uname -sm)" = "Linux x86_64" ] && command -v nvidia-smi >/dev/null 2>&1; then
        case $(cat "$1" 2>/dev/null) in
            gpu*) extra=gpu ;;
            *) if nvidia-smi -L 2>/dev/null | grep -q '^GPU '; then extra=gpu; fi ;;
        esac
    fi
}

# install_system_packages LIST: brings what LIST names ("library SONAME PACKAGE", "command NAME PACKAGE" or "file PATTERN
# PACKAGE" a line) and the machine lacks; by sonames, since distributions rename packages. Never fatal: the terminal chat needs none of it.
install_system_packages() {
    [ "$(uname -s)" = Linux ] || return 0
    libraries=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null) || libraries=
    missing=
    packages=
    while read -r kind name package; do
        case $kind in
            library) case $libraries in *"$name "*) continue ;; esac ;;
            command) if command -v "$name" >/dev/null 2>&1; then continue; fi ;;
            # shellcheck disable=SC2086  # a pattern
            file) if ls -d $name >/dev/null 2>&1; then continue; fi ;;
            *) continue ;;
        esac
        missing="$missing $name"
        packages="$packages $package"
    done <"$1"
    [ -n "$packages" ] || return 0
    if command -v apt-get >/dev/null 2>&1; then
        # shellcheck disable=SC2086  # one word a package
        apt_install $packages
    else
        say "These system libraries or programs are missing; bring them with your package manager:$missing"
    fi
}

# apt_install PACKAGE...: as root, or with a sudo that asks nothing; else says what to type.
apt_install() {
    if [ "$(id -u)" = 0 ]; then
        as_root="env"
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n env"
    else
        say "System packages are missing. Type this once, then start again:"
        say "    sudo apt-get install -y --no-install-recommends $*"
        return 1
    fi
    say "Installing system packages: $*"
    $as_root DEBIAN_FRONTEND=noninteractive apt-get update -q >&2 || true
    if ! $as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2; then
        say "Not all of them could be installed; going on without. To try again by hand, as root:"
        say "    apt-get install -y --no-install-recommends $*"
        return 1
    fi
}

# prepare_environment VENV EXTRAS SYSTEM_LISTS...: afterwards VENV/bin/python has what pyproject.toml, constraints.txt
# and EXTRAS ask for, and one of onnxruntime and onnxruntime-gpu. Returns at once when nothing has changed since.
prepare_environment() {
    venv=$1
    stamp=$venv/larimar-stamp
    choose_extra "$stamp"
    extras=$extra${2:+,$2}
    shift 2
    key="$extras $(cat "$root/pyproject.toml" "$root/packaging/constraints.txt" "$@" | cksum) $root"
    key="$key $(cat "$root"/inference/native/*.[ch]pp "$root/packaging/build_operators.py" 2>/dev/null | cksum)"
    if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$key" ] && has_one_runtime; then
        return
    fi
    for list in "$@"; do
        install_system_packages "$list" || true
    done
    make_virtual_environment
    rm -f "$stamp"
    say "Installing Larimar ($extras) into $venv; the first time this takes some minutes."
    if [ "$extra" = gpu ]; then
        say "An NVIDIA GPU was found: CUDA and cuDNN are 1.7 GB to download. LARIMAR_EXTRA=cpu does without."
    fi
    if ! install_packages; then
        rm -f "$venv/installing"
        stop "The installation failed; the reason is above. If it is the network, check the connection (and the proxy)" \
            "and type the same command again: what was downloaded is kept."
    fi
    # faster products on the CPU, where there is a C++ compiler; it says itself what it lacks
    "$venv/bin/python" "$root/packaging/build_operators.py" --if-possible >&2 || true
    printf '%s\n' "$key" >"$stamp"
    rm -f "$venv/installing"
}

# Whether exactly one wheel of ONNX Runtime is there, and the right one: someone may have installed another by hand.
has_one_runtime() {
    set -- "$venv"/lib/python3*/site-packages/onnxruntime*.dist-info
    [ $# = 1 ] || return 1
    case $1 in
        */onnxruntime_gpu-*) [ "$extra" = gpu ] ;;
        */onnxruntime-*) [ "$extra" = cpu ] ;;
        *) return 1 ;;
    esac
}

make_virtual_environment() {
    if [ -e "$venv/installing" ]; then
        other=$(cat "$venv/installing")
        if [ -n "$other" ] && kill -0 "$other" 2>/dev/null; then
            stop "Another installation into $venv is under way (process $other); wait for it to end."
        fi
        say "The last installation was interrupted; starting afresh."
        rm -rf "$venv"
    elif [ -d "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
        stop "$venv holds something that is no virtual environment; name another folder with LARIMAR_VENV."
    fi
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        find_python
        if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
            if ! command -v apt-get >/dev/null 2>&1 || ! apt_install "python$version-venv"; then
                stop "$python cannot make virtual environments; install its venv module and start again."
            fi
        fi
        "$python" -m venv --clear "$venv" || stop "No virtual environment could be made in $venv; the reason is above."
    fi
    printf '%s\n' $$ >"$venv/installing"
}

install_packages() {
    # Both wheels hold the module onnxruntime, so that removing one breaks the other: to change, both go first.
    if [ "$extra" = gpu ]; then unwanted=onnxruntime; else unwanted=onnxruntime-gpu; fi
    if "$venv/bin/python" -m pip show -q "$unwanted" >/dev/null 2>&1; then
        "$venv/bin/python" -m pip uninstall -y -q onnxruntime onnxruntime-gpu >&2 || return 1
    fi
    # From inside the checkout: pip takes no path with spaces together with extras.
    (
        cd "$root" &&
            PIP_USER=0 "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
                -c packaging/constraints.txt -e ".[$extras]" >&2
    )
}
