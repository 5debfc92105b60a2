#!/bin/sh
# Holds a demonstration's SCIM endpoint against scim2-tester (https://scim2-tester.readthedocs.io), which checks servers against RFC 7643 and 7644.
#
#   sh tests/scim2-tester.sh    builds the program, starts a demonstration of its own, makes a token as an administrator does, and runs all checks
#
# Wants cargo, git, and python3 with its venv module; scim2-tester comes from PyPI, in the version that is named here. Nothing is left running, and
# all that it writes lies in a directory that it removes. It is no part of tests/run.sh, which needs no registry but that of Rust: what these checks
# ask for is asked for in tests/it/scim as well.
set -eu
cd "$(dirname "$0")/.."
version=0.5.2
port=${PORT:-8437}

work=$(mktemp -d)
portal=
finish() {
    [ -z "$portal" ] || kill "$portal" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

cargo build --locked
binary=${CARGO_TARGET_DIR:-target}/debug/lectern

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "scim2-tester==$version" "scim2-client[httpx2]"

git init --quiet "$work/product"
echo "int main(void) { return 0; }" >"$work/product/main.c"
git -C "$work/product" add main.c
git -C "$work/product" -c user.name=Somebody -c user.email=somebody@vendor.example commit --quiet -m "The product"

"$binary" demo --data "$work/data" --listen "127.0.0.1:$port" --product "small=$work/product" >"$work/portal.log" 2>&1 &
portal=$!
tries=0
until grep -q '^lectern: ready' "$work/portal.log"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 120 ] || ! kill -0 "$portal" 2>/dev/null; then
        cat "$work/portal.log" >&2
        exit 1
    fi
    sleep 1
done

"$work/venv/bin/python" tests/scim2-tester.py "http://127.0.0.1:$port" "$work/data/demo-accounts.json"
