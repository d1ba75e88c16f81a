#!/usr/bin/env bash
# Installs the package and its service as users do, with the oldest and with the newest versions that
# pyproject.toml admits, each in an environment of its own; watches a clip there and runs the tests of
# what relies on private behaviour of transformers and PyAV, and those of the service that stand
# closest to its libraries. torch is that of the environment of `make setup`.
#
#   scripts/bounds.sh [CLIP]    the clip to watch; without one, a synthetic camera's
set -euo pipefail
cd "$(dirname "$0")/.."
python="${VENV:-.venv}/bin/python"
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# HTTP and its stream, databases, YAML, MQTT and webhooks, metrics.
service=(
  tests/serve/api/test_server.py tests/serve/api/test_stream.py tests/serve/api/test_cameras.py
  tests/serve/api/test_events.py tests/serve/api/test_metrics.py tests/serve/config/test_document.py
  tests/serve/store/test_store.py tests/serve/sinks/test_webhook.py tests/serve/sinks/test_mqtt.py
)

# Says what a command printed only where it fails.
quietly() {
  "$@" >"$work/$name.log" 2>&1 || { cat "$work/$name.log" >&2; return 1; }
}

prepare() {
  name=prepare
  mkdir "$work/torch"
  "$python" scripts/link_torch.py "$work/torch"
  grep -E '^(pytest|pytest-timeout|hypothesis|httpx2)==' constraints.txt >"$work/tools.txt"
  quietly "$python" -m pip wheel --no-deps --wheel-dir "$work" .
  "$python" scripts/oldest.py "$work"/costream-*.whl engine serve >"$work/oldest.txt"
  : >"$work/newest.txt"
}

# One end of the bounds: its name is that of the file of its constraints.
try() {
  name=$1
  local bin="$work/$name/bin" clip=$2
  "$python" -m venv "$work/$name"
  echo "$work/torch" >"$("$bin/python" -c 'import site; print(site.getsitepackages()[0])')/torch.pth"
  quietly "$bin/pip" install -c "$work/$name.txt" "$(echo "$work"/costream-*.whl)[serve]" -r "$work/tools.txt"
  "$bin/costream" doctor
  if [ -z "$clip" ]; then
    clip="$work/$name.mp4"
    quietly "$bin/costream" synth "$clip" --seconds 60
  fi
  (cd "$work" && "$bin/costream" run "$clip" --ask "Is someone fighting?" --json) >"$work/$name.jsonl"
  echo "$(grep -c '"answers"' "$work/$name.jsonl") windows of $(basename "$clip")"
  # Of all pairs of pruner and refresh policy, every policy once: each reaches into the cache by
  # itself. anyio brings a plugin that some releases of pytest warn of.
  "$bin/pytest" -p no:anyio -p no:cacheprovider tests/engine/test_golden.py tests/models \
    tests/cli/test_run.py tests/video/test_motion.py \
    --ignore tests/models/test_real_sizes.py --ignore tests/models/test_packed.py \
    --ignore tests/models/test_outline.py -k "not real_clips and (not keep_their_contract or none-)"
  "$bin/pytest" -p no:anyio -p no:cacheprovider "${service[@]}" -k "not postgres and not absent_database"
}

clip=${1:+$(realpath "$1")}
prepare
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= GLIBC_TUNABLES=glibc.malloc.hugetlb=1  # as make test
declare -A running
for end in oldest newest; do
  (try "$end" "$clip") >"$work/$end.out" 2>&1 &
  running[$end]=$!
done
failed=0
for end in oldest newest; do
  wait "${running[$end]}" || failed=1
  echo "== the $end versions that pyproject.toml admits"
  cat "$work/$end.out"
done
exit "$failed"
