#!/usr/bin/env bash
# Prints the interpreter of the project's environment, or with `--of LOCK` of another one, made first when it is not there.
# Kept in the cache under a key of the lock file, so that checkouts with the same lock share it.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${CATALYX_DR_CACHE:-$HOME/.cache/catalyx-dr}
uv_version=0.13.8

fail() { echo "error: $*" >&2; exit 1; }

base=$(command -v python3 || true)
[ -n "$base" ] || fail "python3 is not on PATH; install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)"
"$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$base is older than Python 3.11; put a newer python3 first on PATH"

uv() {
  local home=$cache/uv-$uv_version
  if [ ! -x "$home/bin/uv" ]; then
    echo "installing uv $uv_version" >&2
    if ! "$base" -c 'import ensurepip' 2>/dev/null; then
      { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv; } >&2
    fi
    rm -rf "$home"
    "$base" -m venv "$home" >&2
    "$home/bin/python" -m pip install --quiet "uv==$uv_version" >&2
  fi
  "$home/bin/uv" "$@"
}

lock() { uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header "$@"; }

if [ "${1:-}" = --lock ]; then
  lock pyproject.toml --output-file requirements/agent.lock
  # The tests run the stand-in validator on this machine too, so its packages belong to the environment.
  lock pyproject.toml requirements/validator.in --extra pulumi --group dev --override requirements/overrides.txt \
    --output-file requirements/dev.lock
  lock requirements/validator.in --output-file requirements/validator.lock
  lock requirements/localstack.in --output-file requirements/localstack.lock
  exit
fi
packages=requirements/dev.lock
[ "${1:-}" != --of ] || packages=$2

# Compiled at once: without it, every run of the engine compiles thousands of modules where Python may not write bytecode.
sync=(uv pip sync --quiet --require-hashes --compile-bytecode)
key=$(cat "$packages" <("$base" -V) <(echo "${sync[@]}") | sha256sum | cut -c1-12)
environment=$cache/python-$key
if [ ! -e "$environment/complete" ]; then
  mkdir -p "$cache"
  exec 9>"$cache/python.lock"
  flock 9
  if [ ! -e "$environment/complete" ]; then
    echo "installing the Python environment (about a minute)" >&2
    rm -rf "$environment"
    uv venv --quiet --python "$base" "$environment" >&2
    "${sync[@]}" --python "$environment/bin/python" "$packages" >&2 ||
      fail "the packages of $packages could not be installed; see the lines above, check the network, run again"
    touch "$environment/complete"
  fi
fi
echo "$environment/bin/python"
