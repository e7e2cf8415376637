#!/usr/bin/env bash
# try_wheel.sh PYTHON BUILDER: build the wheel and install it, with the runtime lock alone, into an empty environment.
# Leaves the command at build/wheel-venv/bin/crmservice.
set -euo pipefail
python=$1 builder=$2 out=build/wheel venv=build/wheel-venv
root=$PWD
rm -rf "$out" "$venv"
"$builder" -m hatchling build -t wheel -d "$out"
"$root/tools/make_venv.sh" "$python" "$venv" requirements/runtime.txt
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$out"/crmservice-*.whl
"$venv/bin/python" -m pip check
# From another folder, so that what answers is the installed package and not this source tree.
cd /
[[ "$("$root/$venv/bin/python" -c 'import crmservice; print(crmservice.__file__)')" == "$root/$venv/"* ]]
"$root/$venv/bin/crmservice" --help >/dev/null
echo "wheel: $(cd "$root" && ls "$out") works in an empty environment"
