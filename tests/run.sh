#!/usr/bin/env bash
# Runs every test and ends with one line: `N passed, N failed`.
#   tests/run.sh         format, lints, tests, the real cluster (made by tests/testbed/up.sh), the demo
#   tests/run.sh quick   without Docker and the cluster
#   tests/run.sh full    everything for longer: soaks, fuzzing, more seeds, the testbed's other branch
# A test marked `#[ignore]` needs Docker, the cluster or other shells; one with `soak` in its name runs in `full` only.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

scope=${1:-plain}
case $scope in
  plain | quick) unset WHARF_TEST_FULL; fuzz=60 ;;
  full) export WHARF_TEST_FULL=1; fuzz=600 ;;
  *) sed -n '2,6s/^# //p' "$0" >&2; exit 2 ;;
esac
passed=0 failed=0 failures=()
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# part TITLE COMMAND...: runs a part and counts it by the test results it prints, or as one where it
# prints none. Results of no test at all are a failure: a name has changed. A part that fails never
# stops the rest.
part() {
  local title=$1 began=$SECONDS status good bad results; shift
  printf '\n== %s\n' "$title"
  "$@" 2>&1 | tee "$output"
  status=${PIPESTATUS[0]}
  read -r good bad results < <(sed -E 's/\x1b\[[0-9;]*m//g' "$output" |
    awk '/^test result: / { good += $4; bad += $6; results++ }
      END { print good + 0, bad + 0, results + 0 }')
  if [ $((good + bad)) -eq 0 ] && [ "$results" -gt 0 ]; then bad=1; fi
  if [ "$status" -eq 0 ] && [ "$bad" -eq 0 ]; then
    if [ "$good" -eq 0 ]; then good=1; fi
  else
    if [ "$bad" -eq 0 ]; then bad=1; fi
    failures+=("$title")
  fi
  passed=$((passed + good)) failed=$((failed + bad))
  printf -- '-- %s: %d passed, %d failed, %d s\n' "$title" "$good" "$bad" $((SECONDS - began))
}

# with_the_cluster THREADS TARGETS...: tests that need the world outside.
with_the_cluster() {
  local threads=$1 exports skip=(--skip soak); shift
  exports=$(tests/testbed/up.sh env) || return
  eval "$exports"
  if [ "$scope" = full ]; then skip=(); fi
  timeout 2400 cargo test --locked --no-fail-fast "$@" -- --ignored --test-threads="$threads" "${skip[@]}"
}

# The rooms against Docker, one test at a time: some of them measure or fill the nodes.
rooms_on_docker() {
  local targets=() file
  for file in tests/*.rs tests/docker_*/; do
    case $file in tests/cluster_*) ;; *) targets+=(--test "$(basename "$file" .rs)") ;; esac
  done
  with_the_cluster 1 --lib --test skaffold "${targets[@]}"
}

# The rooms on the cluster: mostly waiting, each test in a namespace of its own.
rooms_on_the_cluster() {
  local targets=() file
  for file in tests/cluster_*; do targets+=(--test "$(basename "$file" .rs)"); done
  with_the_cluster "${WHARF_TEST_THREADS:-3}" "${targets[@]}"
}

# The program on the cluster: mostly waiting, each test in a namespace and on ports of its own.
program_on_the_cluster() { with_the_cluster "${WHARF_TEST_THREADS:-3}" --test cluster; }

install() { # Debian packages
  local root=()
  if [ "$(id -u)" -ne 0 ]; then root=(sudo -n); fi
  { "${root[@]}" apt-get update -q && "${root[@]}" apt-get install -y -q --no-install-recommends "$@"; } >/dev/null
}

scripts() { # every shell script of the project
  local scripts script
  mapfile -t scripts < <(git ls-files -- '*.sh' .ci/run tests/testbed/node/runc-fit tests/testbed/images/postgres-entrypoint)
  for script in "${scripts[@]}"; do bash -n "$script" || return; done
  if ! command -v shellcheck >/dev/null; then
    echo "shellcheck is missing; installing it"
    install shellcheck || return
  fi
  shellcheck -x -P SCRIPTDIR "${scripts[@]}"
}

shells() { # completion in the shells themselves, and a machine with low limits
  if ! command -v zsh >/dev/null || ! command -v fish >/dev/null; then
    echo "zsh or fish is missing; installing them"
    install zsh fish || return
  fi
  cargo test --locked --test it -- --ignored
}

part "format" cargo fmt --all --check
part "shell scripts" scripts
part "lints" cargo clippy --locked --all-targets -- -D warnings
if [ "$scope" = full ]; then
  part "tests, with more seeds" env PROPTEST_CASES="${PROPTEST_CASES:-4096}" cargo test --locked --no-fail-fast
else
  part "tests" cargo test --locked --no-fail-fast
fi
part "bad files of Skaffold" env WHARF_FUZZ_SECONDS="$fuzz" cargo test --locked --test skaffold fuzz::
part "the program in shells and a user namespace" shells
if [ "$scope" = quick ]; then
  printf '\nleft out by "quick": the testbed, tests that need Docker or the cluster, the demo\n'
else
  part "testbed" tests/testbed/up.sh
  part "testbed's own tests" tests/testbed/test.sh "$scope"
  part "rooms on Docker" rooms_on_docker
  part "rooms on the cluster" rooms_on_the_cluster
  part "the program on the cluster" program_on_the_cluster
  part "demo" examples/demo.sh
fi
if [ "$scope" = plain ]; then
  mapfile -t soaks < <(grep -rhoE 'fn [a-z_]+_soak\b' tests src --include='*.rs' | sed 's/^fn //' | sort)
  printf '\nleft out by "plain" and run by "full": %s, more seeds, fuzzing for ten minutes, the branch of\n' \
    "$(printf '%s, ' "${soaks[@]}" | sed 's/, $//')"
  printf 'the testbed for machines with an image registry\n'
fi

if [ ${#failures[@]} -gt 0 ]; then
  printf '\nfailed:\n'
  printf '  %s\n' "${failures[@]}"
fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
