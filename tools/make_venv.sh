#!/usr/bin/env bash
# make_venv.sh PYTHON VENV LOCK: a virtual environment with exactly the locked packages, hashes checked.
set -euo pipefail
python=$1 venv=$2 lock=$3

say() { printf 'make_venv: %s\n' "$*" >&2; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    say "$python is not Python 3.11 or later; name one with: make PYTHON=/path/to/python3.11 ..."
    exit 1
}
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    # Debian and Ubuntu ship these two in a package of their own.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing python3-venv"
        apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    else
        say "$python cannot make virtual environments; somebody with the right must run: apt-get install python3-venv"
        exit 1
    fi
fi
# An environment that was copied or whose interpreter has gone is made anew.
"$venv/bin/python" -c '' 2>/dev/null || "$python" -m venv --clear "$venv"
say "installing $lock (about 15 s)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$lock" || {
    say "the packages of $lock could not be installed: is a package index reachable, and may this user write to $venv?"
    exit 1
}
