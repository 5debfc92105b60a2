#!/bin/sh
# Runs every test: unit tests, the integration tests on SQLite and PostgreSQL, and the walks through a real browser.
#
#   sh tests/run.sh             what is missing is installed first (Debian and its like, as root or with sudo), then all tests run
#   sh tests/run.sh --prepare   only installs
#
# Rust comes from https://rustup.rs. Nothing is left running, and no database cluster is left on the machine: the tests start their own.
set -eu
cd "$(dirname "$0")/.."

have() { command -v "$1" >/dev/null 2>&1; }

# The server's programs are not on the path on Debian.
have_postgres() {
    have initdb && return 0
    for initdb in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$initdb" ] && return 0
    done
    return 1
}

# Debian's packages for what is not on this machine, one a line. OpenSSL, libgit2 and Oniguruma are built from source: hence make and perl.
missing() {
    have cc || echo build-essential
    have make || echo make
    perl -MFindBin -MIPC::Cmd -MPod::Usage -e 1 2>/dev/null || echo perl
    have pkg-config || echo pkg-config
    have git || echo git
    have ssh-keygen || echo openssh-client
    have chromium || have chromium-browser || have google-chrome || [ -n "${CHROMIUM:-}" ] || echo chromium
    have chromedriver || [ -n "${CHROMEDRIVER:-}" ] || echo chromium-driver
    have_postgres || echo postgresql
    have strace || echo strace
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

may_install() {
    have apt-get || return 1
    [ "$(id -u)" -eq 0 ] || { have sudo && sudo -n true 2>/dev/null </dev/null; }
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 "$@" </dev/null
}

# Debian's package makes a cluster and starts it, unless it is told not to. What the machine's owner had set stands again afterwards.
install_postgres() {
    settings=/etc/postgresql-common/createcluster.conf
    apt install -y -q --no-install-recommends postgresql-common
    kept=$(mktemp)
    as_root cat "$settings" >"$kept"
    echo 'create_main_cluster = false' | as_root tee -a "$settings" >/dev/null
    installed=0
    apt install -y -q --no-install-recommends postgresql || installed=$?
    as_root tee "$settings" <"$kept" >/dev/null
    rm -f "$kept"
    return "$installed"
}

prepare() {
    if ! have cargo; then
        echo "tests/run.sh: cargo is missing. Install Rust from https://rustup.rs" >&2
        exit 1
    fi
    wanted=$(missing)
    [ -n "$wanted" ] || return 0
    # shellcheck disable=SC2086 # one word a package
    set -- $wanted
    if ! may_install; then
        echo "tests/run.sh: missing: $*" >&2
        echo "These are the names of Debian's packages. Install them, or run this as root: apt-get install $*" >&2
        exit 1
    fi
    echo "Installing: $*"
    apt update -q
    postgres=no
    for package in "$@"; do
        shift
        if [ "$package" = postgresql ]; then postgres=yes; else set -- "$@" "$package"; fi
    done
    [ $# -eq 0 ] || apt install -y -q --no-install-recommends "$@"
    [ "$postgres" = no ] || install_postgres
    wanted=$(missing)
    if [ -n "$wanted" ]; then
        # shellcheck disable=SC2086
        echo "tests/run.sh: still missing after installing:" $wanted >&2
        exit 1
    fi
}

case "${1:-}" in
"") ;;
--prepare)
    prepare
    exit 0
    ;;
*)
    echo "usage: sh tests/run.sh [--prepare]" >&2
    exit 2
    ;;
esac

prepare
# A test that cannot run here is a failure, not a silence.
LECTERN_REQUIRE_POSTGRES=1
LECTERN_REQUIRE_BROWSER=1
export LECTERN_REQUIRE_POSTGRES LECTERN_REQUIRE_BROWSER
exec cargo test --workspace --locked
