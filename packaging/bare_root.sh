# shellcheck shell=sh
# A bare Debian or Ubuntu in a folder, in namespaces of its own, to try Larimar in. Sourced by the check scripts, which
# set folder and root first. POSIX sh.

say() { printf '== %s\n' "$*"; }

# timed NAME COMMAND...: runs the command, keeps what it says in FOLDER/NAME.log, and prints how long it took.
timed() {
    name=$1
    shift
    start=$(date +%s)
    status=0
    "$@" >"$folder/$name.log" 2>&1 || status=$?
    say "$name: $(($(date +%s) - start)) s, exit code $status"
    if [ $status != 0 ]; then
        tail -n 40 "$folder/$name.log"
        exit 1
    fi
}

# make_root PACKAGE,...: the release and the mirror are this machine's.
make_root() {
    release=$(. /etc/os-release && printf %s "$VERSION_CODENAME")
    # shellcheck disable=SC2016  # apt's own placeholder
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $release" | head -n 1)
    # half of what a desktop needs is in Ubuntu's second component
    case $(. /etc/os-release && printf %s "$ID") in ubuntu) components=main,universe ;; *) components=main ;; esac
    debootstrap --variant=minbase --components="$components" --include="$1" "$release" "$root" "$mirror"
}

# mount_root COPIED BOUND: makes the root usable; COPIED are files of this machine, BOUND folders, both space-separated.
mount_root() {
    mount --make-rprivate /
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    for file in /etc/resolv.conf /etc/hosts $1; do
        mkdir -p "$root$(dirname "$file")"
        cp -L "$file" "$root$file"
    done
    for shared in $2; do
        mkdir -p "$root$shared"
        mount --bind -o ro "$shared" "$root$shared"
    done
}
