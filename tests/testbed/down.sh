#!/usr/bin/env bash
# Takes back what up.sh made: clusters, containers, networks, Engines, bridges, settings.
# The cache (programs and images) stays, so that the next up.sh is quick, unless --cache is given.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

with_cache=false
case ${1:-} in
  '') ;;
  --cache) with_cache=true ;;
  *) echo "usage: down.sh [--cache]   --cache: also programs, images and installed packages" >&2; exit 2 ;;
esac
if [ ! -d "$cache" ]; then say "testbed: nothing to take back"; exit; fi
exec 9>"$cache/lock"
flock -w 120 9 || die "another up.sh or down.sh is running"
use_engine
left=0
done_with() { printf '  %s\n' "$*" >&2; }
# try WHAT COMMAND...: one failure never stops the rest.
try() {
  local what=$1; shift
  if "$@" >>"$log/down.log" 2>&1; then done_with "$what"; else left=1; say "  could not remove: $what (by hand: $*)"; fi
}
mkdir -p "$log"
: >"$log/down.log"

# stop PIDFILE WORD: ends a process that the testbed started, and waits until it has.
stop() {
  local pid
  pid=$(own_process "$1" "$2") || return 0
  kill "$pid"
  for _ in $(seq 150); do
    if ! kill -0 "$pid" 2>/dev/null; then return; fi
    sleep .2
  done
  kill -9 "$pid"
}

# Clusters, registries and the network: needs the Engine that they are in.
if [ -e "$state/engine" ] && docker version >/dev/null 2>&1; then
  for dir in "$state"/clusters/*/; do
    [ -e "$dir/config" ] || continue
    name=$(basename "$dir")
    try "cluster $name" "$bin/kind" delete cluster --name "$name" --kubeconfig "$dir/kubeconfig"
  done
  # Registries, and what an interrupted making of the node image leaves.
  mapfile -t containers < <(docker ps -aq --filter "label=$label.container=$run"; docker ps -aq --filter name=wharf-testbed-bake)
  if [ ${#containers[@]} -gt 0 ]; then try "${#containers[@]} containers" docker rm -f -v "${containers[@]}"; fi
  if [ -e "$state/network" ]; then
    try "network $(cat "$state/network")" docker network rm "$(cat "$state/network")"
  fi
  if $with_cache && ! engine_is_own; then
    mapfile -t images < <(docker images --filter "label=$label" --format '{{.Repository}}:{{.Tag}}' | grep -v '<none>' |
      cat - "$cache/pulled-images" 2>/dev/null | sort -u)
    if [ ${#images[@]} -gt 0 ]; then try "images ${images[*]}" docker rmi -f "${images[@]}"; fi
  fi
fi

# The daemons, their mounts and bridges.
for pid_file in "$run"/*.pid; do
  if [ -e "$pid_file" ] && [ -n "$(own_process "$pid_file" "$run" || true)" ]; then
    try "$(basename "$pid_file" .pid) daemon" stop "$pid_file" "$run"
  fi
done
if [ -d "$run" ]; then
  # What a daemon that was killed leaves mounted, innermost first.
  { mounts_in "$run"; mounts_in "$cache"; } | while read -r mount; do umount -l "$mount" || true; done
  try "sockets and pids in $run" rm -rf "$run"
fi
for link in "$bridge"{0,1,2}; do
  if ip link show "$link" >/dev/null 2>&1; then try "bridge $link" ip link delete "$link"; fi
done
if [ -e "$state/network-before" ]; then
  # Packet filter rules name the bridges; the chains of Docker's name go only if no other Engine uses them.
  words="${bridge}[0-2]\\b"
  if grep -q 'tables true' "$state/network-before" && ! pgrep -x dockerd >/dev/null; then words="$words\|DOCKER"; fi
  for save in iptables ip6tables; do
    if command -v $save-save >/dev/null && $save-save 2>/dev/null | grep -q "$words"; then
      try "$save rules" sh -c "$save-save | grep -v '$words' | $save-restore"
    fi
  done
  if [[ $words == *DOCKER ]]; then
    # shellcheck disable=SC2046
    try "forwarding policy" iptables $(grep -e '^-P FORWARD' "$state/network-before")
    try "net.ipv4.ip_forward" sysctl -w "$(sed -n 's/^net.ipv4.ip_forward = /net.ipv4.ip_forward=/p' "$state/network-before")"
  fi
fi
if [ -e "$state/sysctl-before" ]; then
  while read -r setting; do try "$setting" sysctl -w "$setting"; done <"$state/sysctl-before"
fi

if [ "$left" != 0 ]; then die "some things are left; the log is $log/down.log"; fi
rm -rf "$state"
if $with_cache; then
  if [ -s "$cache/installed-packages" ] && [ "$(id -u)" = 0 ]; then
    mapfile -t packages < <(sort -u "$cache/installed-packages")
    try "packages ${packages[*]}" env DEBIAN_FRONTEND=noninteractive apt-get purge -y -q "${packages[@]}"
  fi
  try "cache $cache" rm -rf "$cache"
elif [ -s "$cache/installed-packages" ]; then
  done_with "kept: $cache and the packages $(sort -u "$cache/installed-packages" | tr '\n' ' '); --cache removes them too"
else
  done_with "kept: $cache; --cache removes it too"
fi
say "testbed: taken back"
