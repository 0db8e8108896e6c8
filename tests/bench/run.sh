#!/usr/bin/env bash
# Measures wharf beside what a person would do otherwise, round by round, on the real cluster.
#   tests/bench/run.sh [ROUNDS]     10 rounds unless told; the table on stdout, the same as JSON in
#                                   target/bench.json (WHARF_BENCH_JSON=FILE: there)
#   WHARF_BENCH_ONLY="shop hello"   only these of: first-line shop monorepo hello hello-helm4 large
#                                   large-helm4 tree modules
# Seconds count on a machine that does nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tests/testbed/up.sh
exports=$(tests/testbed/up.sh env)
eval "$exports"
helm4=$(tests/testbed/up.sh part helm4)
WHARF_BENCH_HELM4=$(eval "$helm4"; dirname "$(command -v helm)")
export WHARF_BENCH_HELM4
json=${WHARF_BENCH_JSON:-${CARGO_TARGET_DIR:-$PWD/target}/bench.json}
exec cargo bench --locked --bench side_by_side -- "${1:-10}" "$(realpath -m "$json")"
