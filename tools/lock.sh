#!/usr/bin/env bash
# lock.sh UV: renew both locks; universal (every system and Python), with hashes, naming no package index.
set -euo pipefail
uv=$1
export UV_CUSTOM_COMPILE_COMMAND="make lock"
compile=("$uv" pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --python-version 3.11)
"${compile[@]}" pyproject.toml -o requirements/runtime.txt
# The development lock holds the same versions of what runs, plus the extras and the tools.
"${compile[@]}" --all-extras --group dev -c requirements/runtime.txt pyproject.toml -o requirements/dev.txt
