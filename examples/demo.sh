#!/usr/bin/env bash
# Shows the loop from nothing: a cluster, `wharf dev` on examples/hello, an edit, Ctrl+C.
# Ends with 0 only if every step was seen to work and nothing is left over.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
log=$work/wharf.log
wharf_pid=

say() { printf '\n== %s\n' "$*"; }
fail() {
  printf '\nfailed: %s\n' "$*" >&2
  if [ -s "$log" ]; then printf 'what wharf said last:\n' >&2; tail -n 30 "$log" >&2; fi
  exit 1
}
leave() {
  if [ -n "$wharf_pid" ] && kill -0 "$wharf_pid" 2>/dev/null; then
    kill -TERM "$wharf_pid"
    wait "$wharf_pid" || true
  fi
  rm -rf "$work"
}
trap leave EXIT

# Everything that a session could leave behind, one line each, in a stable order. What Kubernetes
# itself renews all the time (events, leases, the root certificates of a namespace) is left out.
inventory() {
  local kinds
  kinds=$(kubectl api-resources --verbs=list -o name | grep -vE '^(events|leases)(\.|$)|^componentstatuses$' | sort | paste -sd,)
  kubectl get "$kinds" -A -o name --ignore-not-found 2>/dev/null | sort
  curl -sS --unix-socket "${DOCKER_HOST#unix://}" 'http://docker/containers/json?all=1' |
    grep -oE '"Names":\["[^"]*"' | sort
}
answer() { curl -sS --max-time 5 "http://127.0.0.1:$1/" 2>/dev/null || true; }

say "a cluster"
"$here/tests/testbed/up.sh"
eval "$("$here/tests/testbed/up.sh" env)"

say "wharf, built for release"
(cd "$here" && cargo build --release --quiet)
wharf=${CARGO_TARGET_DIR:-$here/target}/release/wharf
"$wharf" version

cp -r "$here/examples/hello" "$work/hello"
cd "$work/hello"
inventory >"$work/before"

say "wharf dev in a copy of examples/hello"
"$wharf" dev >"$log" 2>&1 &
wharf_pid=$!
tail -n +1 -f --pid=$wharf_pid "$log" &
port=
for _ in $(seq 1200); do
  kill -0 "$wharf_pid" 2>/dev/null || fail "wharf ended before hello was live"
  port=$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$log" | head -n 1 | grep -oE '[0-9]+$' || true)
  if [ -n "$port" ] && [ "$(answer "$port")" = 'hello from wharf' ]; then break; fi
  sleep 0.1
done
[ "$(answer "${port:-0}")" = 'hello from wharf' ] || fail "hello did not answer"
printf '\n  GET http://127.0.0.1:%s/ says: hello from wharf\n' "$port"
grep -q 'listening on 8080' "$log" || fail "the pod's log did not come through"

say "a save"
for _ in $(seq 600); do grep -q '^watching' "$log" && break; sleep 0.1; done
sed -i 's/hello from wharf/hello again, faster/' app.py
began=$EPOCHREALTIME
for _ in $(seq 3000); do
  now=$(answer "$port")
  if [ "$now" = 'hello again, faster' ]; then break; fi
  [ "$now" = 'hello from wharf' ] || fail "between the versions the port said: $now"
  sleep 0.01
done
[ "$now" = 'hello again, faster' ] || fail "the edit did not arrive"
awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "\n  from save to live: %.2f s\n", b - a }'

say "Ctrl+C"
kill -INT "$wharf_pid"
status=0
wait "$wharf_pid" || status=$?
wharf_pid=
sleep 0.2
[ "$status" -eq 0 ] || fail "wharf ended with $status"
[ -z "$(answer "$port")" ] || fail "port $port still answers"
inventory >"$work/after"
diff "$work/before" "$work/after" || fail "something is left over"
printf '\nnothing is left over; all steps worked\n'
