#!/usr/bin/env bash
# Makes a real kind cluster, with Docker, Helm and base images, on the machine it runs on.
# Where no image registry can be reached, everything is made from Debian's and Go's packages.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'USAGE'
usage: up.sh [--nodes N] [--name NAME]   one command, any number of times: the cluster is up
       up.sh env [--name NAME]           prints what a shell must export to use it
       up.sh part NAME [ARGS]            makes one further thing and prints what to export:
             three-nodes       a second cluster with three nodes
             engine-current    a current Docker Engine, beside the first one
             buildkitd         a current BuildKit
             helm4             Helm 4 as `helm`
             registry          a registry on 127.0.0.1 that the cluster's nodes can pull from
             registry-login    the same with TLS and a password
             k3d-nodes         a cluster that looks like one of k3d

  WHARF_TESTBED_REGISTRY=HOST:PORT   pull node and base images from there; `none`: make them
  WHARF_TESTBED_DOCKER=own           start an Engine even where one is running
  WHARF_TESTBED_CACHE=DIR            instead of ~/.cache/wharf-testbed
down.sh takes it all back.
USAGE
}

name=${WHARF_TESTBED_CLUSTER:-wharf-test} nodes=1 what=up part=()
while [ $# -gt 0 ]; do
  case $1 in
    --nodes) nodes=${2:?--nodes wants a number}; shift ;;
    --name) name=${2:?--name wants a name}; shift ;;
    -h | --help) usage; exit ;;
    env) what='env' ;;
    part) what=part; shift; part=("$@"); break ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[[ $nodes =~ ^[1-9]$ ]] || die "--nodes wants a number from 1 to 9, not \`$nodes\`"
[[ $name =~ ^[a-z0-9][a-z0-9.-]*$ ]] || die "\`$name\` is no name for a cluster"

# step TEXT STEP [ARGS]: runs a step of steps.sh; one line with its time, its output in a log.
step() {
  local text=$1 began=$EPOCHREALTIME; shift
  if [ -t 2 ]; then printf '  … %s\r' "$text" >&2; fi
  if "$BASH" "$here/steps.sh" "$@" >"$log/$1.log" 2>&1 </dev/null; then
    printf '  %-58s %7.1f s\n' "$text" "$(seconds_since "$began")" >&2
  else
    printf '  %-58s  failed\n' "$text" >&2
    tail -n 15 "$log/$1.log" | sed 's/^/    /' >&2
    die "the whole log is $log/$1.log"
  fi
}
seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

exports() {
  # shellcheck disable=SC2016
  printf 'export PATH=%q:$PATH\n' "$bin"
  printf 'export KUBECONFIG=%q\n' "$state/clusters/$name/kubeconfig"
  printf 'export DOCKER_HOST=%q\n' "$(cat "$state/engine")"
}

# What the ground under the clusters is made from. Quick, for it is asked before every test.
ground_key() { key_of "$here"/{images,node,kube,coredns,lib.sh,steps.sh}; }

ground_is_ready() {
  local made_from images
  [ -e "$state/engine" ] && [ -e "$state/ready" ] || return 1
  use_engine
  { read -r made_from; mapfile -t images; } <"$state/ready"
  [ "$made_from" = "$(ground_key)" ] && docker image inspect "${images[@]}" >/dev/null 2>&1
}

# Whether the cluster's nodes run and are Ready.
cluster_is_up() {
  local want ready dir=$state/clusters/$name
  [ -s "$dir/containers" ] || return 1
  use_engine
  mapfile -t want <"$dir/containers"
  [ "${#want[@]}" -eq "$nodes" ] || return 1
  [ "$(docker container inspect -f '{{.State.Running}}' "${want[@]}" 2>/dev/null | grep -c true)" = "$nodes" ] || return 1
  ready=$(kubectl --kubeconfig "$dir/kubeconfig" get nodes --request-timeout=5s \
    -o jsonpath='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' 2>/dev/null) || return 1
  [ "$(grep -c True <<<"$ready")" = "$nodes" ]
}

is_up() { ground_is_ready && cluster_is_up; }

# at_least WANT HAVE: whether version HAVE is WANT or later.
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n1)" = "$1" ]; }

need_languages() {
  local have
  have=$(go env GOVERSION 2>/dev/null | sed 's/^go//') || have=
  at_least 1.26 "${have:-0}" || die "Go 1.26 or later is needed, and this is ${have:-no Go at all}.
  Get it: https://go.dev/dl, unpack it to /usr/local/go and put /usr/local/go/bin on the PATH"
  have=$(rustc --version 2>/dev/null | cut -d' ' -f2) || have=
  at_least 1.95 "${have:-0}" || die "Rust 1.95 or later is needed, and this is ${have:-no Rust at all}.
  Get it: https://rustup.rs, then \`rustup default stable\`"
}

# Which Engine: the one of last time, the one that is running, or one of the testbed's own.
choose_engine() {
  local running=
  if [ -e "$state/engine" ]; then
    use_engine
    if docker version >/dev/null 2>&1 || engine_is_own; then return; fi
    rm -f "$state/engine"
    unset DOCKER_HOST
  fi
  if [ "${WHARF_TESTBED_DOCKER:-}" != own ] && docker version >/dev/null 2>&1; then
    running=${DOCKER_HOST:-$(docker context inspect -f '{{.Endpoints.docker.Host}}' 2>/dev/null || true)}
    running=${running:-unix:///var/run/docker.sock}
    # A running Engine is used as it is or not at all: nobody's configuration is changed.
    if ! may_sys_resource && [ "$(docker info -f '{{.DefaultRuntime}}')" = runc ]; then
      say "  the Engine at $running cannot run a node here (no CAP_SYS_RESOURCE): the testbed starts its own beside it"
      running=
    fi
  fi
  export DOCKER_HOST=${running:-unix://$run/docker.sock}
}

# Where images come from: `hub`, `HOST:PORT` or `packages`.
choose_source() {
  if [ -e "$state/source" ]; then source_=$(cat "$state/source")
  elif [ "${WHARF_TESTBED_REGISTRY:-}" = none ]; then source_=packages
  elif [ -n "${WHARF_TESTBED_REGISTRY:-}" ]; then source_=$WHARF_TESTBED_REGISTRY
  elif [ -e "$node_bin/kube.made" ]; then source_=packages
  elif ! engine_is_own && timeout 60 docker pull -q busybox:1.36 >/dev/null 2>&1; then source_=hub
  else source_=packages
  fi
}

tell_plan() {
  local source_=$1 missing=() absent program
  if [ "$source_" = packages ]; then say "testbed: makes \`$name\` from packages, without an image registry."
  else say "testbed: makes \`$name\` from the images of ${source_/#hub/the usual registry}."; fi
  absent=$("$BASH" "$here/steps.sh" missing_packages)
  if [ -n "$absent" ] && { engine_is_own || [ "$source_" = packages ]; }; then say "  installs the Debian packages $absent"; fi
  [ -e "$bin/kind.made" ] || missing+=("kind $kind_version")
  [ -e "$bin/helm.made" ] || missing+=("Helm $helm3_version")
  if [ "$source_" = packages ]; then
    for program in "containerd $containerd_version" coredns "kube $kube_version"; do
      [ -e "$node_bin/${program% *}.made" ] || missing+=("$program")
    done
  fi
  if [ ${#missing[@]} -gt 0 ]; then
    say "  builds from Go modules into $cache: $(printf '%s, ' "${missing[@]}" | sed 's/, $//')"
  fi
  say "  $([ "$source_" = packages ] && echo makes || echo pulls), where missing, a node image and ${base_images[*]}"
  if engine_is_own; then
    say "  runs a Docker Engine of its own at $DOCKER_HOST, data in $cache/docker"
    say "  lets packets of its bridge through (net.ipv4.ip_forward, iptables), until it is taken back"
  else say "  uses the Docker Engine at $DOCKER_HOST as it is"; fi
  if [[ " ${missing[*]}" == *" kube "* ]]; then say "  this takes about 15 minutes on two cores, and less than one the next time"; fi
  if [ "$nodes" -gt 1 ] && [ "$(sysctl -n fs.inotify.max_user_instances)" -lt 512 ]; then
    say "  raises fs.inotify.max_user_instances to 512, until it is taken back"
  fi
  say "  leaves other clusters, contexts and settings alone; take it back: tests/testbed/down.sh"
}

# Everything that clusters are made from.
make_ground() {
  local source_ images=()
  need_languages
  choose_engine
  choose_source
  tell_plan "$source_"
  if engine_is_own; then step "Docker Engine at $DOCKER_HOST" engine; fi
  docker version >/dev/null 2>&1 || die "no Docker answers at $DOCKER_HOST"
  echo "$DOCKER_HOST" >"$state/engine"
  step "docker command" docker_cli
  use_engine
  echo "$source_" >"$state/source"

  if [ "$source_" = packages ]; then
    step "Debian packages" packages
    # The images need the network and the disk, the programs need the cores.
    setsid "$BASH" "$here/steps.sh" standins >"$log/standins.log" 2>&1 </dev/null &
    images=($!)
    trap 'kill -- "-${images[0]}" 2>/dev/null || true' EXIT
  else
    step "base images from $source_" pulled_images "$source_"
  fi
  step "kind $kind_version" kind
  step "Helm $helm3_version" helm3
  if [ "$source_" = packages ]; then
    step "containerd $containerd_version" containerd
    step "CoreDNS with the plugins in use" coredns
    step "Kubernetes $kube_version, etcd, kubectl in one program" kube
    local began=$EPOCHREALTIME
    if ! wait "${images[0]}"; then
      tail -n 15 "$log/standins.log" | sed 's/^/    /' >&2
      die "the base images failed; the whole log is $log/standins.log"
    fi
    trap - EXIT
    printf '  %-58s %7.1f s\n' "base images (beside the above), rest" "$(seconds_since "$began")" >&2
    step "node image" node_image
  fi
  printf '%s\n' "$(ground_key)" "${base_images[@]}" >"$state/ready"
}

up() {
  local began=$EPOCHREALTIME
  if ! ground_is_ready; then make_ground; fi
  if ! cluster_is_up; then
    step "cluster $name, nodes: $nodes" cluster "$name" "$nodes"
    say "testbed: \`$name\` is up after $(seconds_since "$began") s. For a shell: eval \"\$(tests/testbed/up.sh env)\""
  fi
}

mkdir -p "$cache"
case $what in
  env)
    [ -s "$state/clusters/$name/containers" ] || die "\`$name\` is not up: run tests/testbed/up.sh first"
    exports
    exit ;;
esac
if is_up && [ "$what" = up ]; then
  say "testbed: \`$name\` is up"
  exit
fi
exec 9>"$cache/lock"
flock -n 9 || { say "testbed: waiting for another up.sh"; flock 9; }
mkdir -p "$bin" "$node_bin" "$log" "$state/clusters"
rm -rf "$cache"/part.?????? # what an interruption left half made
if [ "$what" = up ]; then
  up
else
  [ "${#part[@]}" -gt 0 ] || { usage >&2; exit 2; }
  case ${part[0]} in
    three-nodes) name=$name-3 nodes=3; up; exports ;;
    helm4)
      step "Helm $helm4_version" helm4
      # shellcheck disable=SC2016
      printf 'export PATH=%q:$PATH\n' "$cache/helm4" ;;
    engine-current | buildkitd)
      if ! ground_is_ready; then make_ground; fi
      step "${part[0]}" "${part[0]//-/_}"
      cat "$state/parts/${part[0]}" ;;
    registry | registry-login)
      up
      step "${part[0]}" registry "${part[0]}"
      cat "$state/parts/${part[0]}" ;;
    k3d-nodes)
      name=$name-k3d
      if ! ground_is_ready; then make_ground; fi
      if ! cluster_is_up; then
        step "cluster $name, nodes like k3d's" k3d_nodes "$name"
      fi
      exports ;;
    *) die "no part is called \`${part[0]}\`; up.sh --help lists them" ;;
  esac
fi
