# Where the testbed keeps its things, and the words its scripts share. Sourced, never run.
# shellcheck shell=bash disable=SC2034

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${WHARF_TESTBED_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wharf-testbed}
bin=$cache/bin           # what a shell gets on its PATH
node_bin=$cache/node     # what only a node gets: on a PATH it would hide the Engine's own shim
log=$cache/log
state=$cache/state       # what is up at the moment; down.sh takes it back
run=/run/wharf-testbed   # sockets and pids of what the testbed starts; short, for sockets must be
bridge=wharftb           # with a number behind it, the bridges of its Engines
subnet=172.30.250        # three networks of its Engines begin here
if [ -n "${WHARF_TESTBED_CACHE:-}" ]; then
  # A second testbed on the machine, with everything of its own.
  nth=$(printf %s "$cache" | cksum | awk '{ print $1 % 80 }')
  run+=-$nth bridge+=x$nth. subnet=172.30.$((nth * 3))
fi
# The network of DAEMON number 0, 1 or 2, without the last of its four parts.
network() { echo "${subnet%.*}.$((${subnet##*.} + $1))"; }

kind_version=v0.33.0
helm3_version=v3.22.0
helm4_version=v4.3.1
containerd_version=v2.3.4
kube_version=v1.36.3
# The node image of this kind where images can be pulled; kind itself pins its digest.
stock_node=kindest/node:v1.37.0
base_images=(debian:bookworm-slim python:3.11-slim golang:1.26 node:20-slim busybox:1.36
  postgres:15 redis:7 nginx:1.25 registry:2)
label=wharf.testbed

say() { printf '%s\n' "$*" >&2; }
die() { printf 'testbed: %s\n' "$*" >&2; exit 1; }
sha256() { sha256sum <"$1" | cut -d' ' -f1; }

# What a thing is made from, as one short word: other words, and the contents of what begins with `/`.
key_of() {
  local part
  for part in "$@"; do
    case $part in
      /*) find "$part" -type f -print0 | sort -z | xargs -0 cat ;;
      *) printf '%s\n' "$part" ;;
    esac
  done | sha256sum | cut -c1-16
}

# Whether FILE was made from KEY and has not changed since.
kept() {
  local file=$1 key=$2 made_from sum
  [ -e "$file" ] && [ -e "$file.made" ] || return 1
  read -r made_from sum <"$file.made"
  [ "$made_from" = "$key" ] && [ "$sum" = "$(sha256 "$file")" ]
}

# Moves PART to FILE and records what it was made from. An interruption in between leaves
# a record that does not fit, and the file is made again.
keep() {
  local part=$1 file=$2 key=$3
  mkdir -p "$(dirname "$file")"
  printf '%s %s\n' "$key" "$(sha256 "$part")" >"$file.made.part"
  mv "$part" "$file"
  mv "$file.made.part" "$file.made"
}

# The Engine in use, once up.sh has chosen one.
use_engine() {
  if [ -e "$state/engine" ]; then
    DOCKER_HOST=$(cat "$state/engine")
    export DOCKER_HOST
  fi
  export PATH=$bin:$PATH
}

engine_is_own() { [ "${DOCKER_HOST:-}" = "unix://$run/docker.sock" ]; }

# Without it, a container cannot be given the capability, a negative oom score or rlimits.
may_sys_resource() {
  local bits
  bits=$(sed -n 's/^CapBnd:\t*//p' /proc/self/status 2>/dev/null)
  [ -z "$bits" ] || (((0x$bits >> 24) & 1))
}

# The process of PIDFILE, if it is still the one that the testbed started with WORD in its command line.
own_process() {
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ] &&
    tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$2" && echo "$pid"
}

# What is mounted below a folder, innermost first.
mounts_in() { awk -v below="$1/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort -r; }
