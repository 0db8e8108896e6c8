# Further parts, made when a test wants one. Each leaves what a shell must export in $state/parts.
# Sourced by steps.sh.
# shellcheck shell=bash disable=SC2154

part_is() { mkdir -p "$state/parts"; cat >"$state/parts/$1"; }

# daemon NAME PATH COMMAND...: starts a daemon of the testbed's own; its command line names $run.
daemon() {
  local name=$1 path=$2; shift 2
  env -i PATH="$path" HOME="${HOME:-/root}" setsid "$@" >"$log/$name.log" 2>&1 </dev/null 9>&- &
  echo $! >"$run/$name.pid"
}

# until_works SECONDS COMMAND...: waits for a fact.
until_works() {
  local left=$(($1 * 5)); shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ $left -gt 0 ] || { echo "this never worked: $*"; return 1; }
    sleep .2
  done
}

system_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# A current Engine beside the one in use. It builds and pushes; to run containers it wants a newer runc.
engine_current() {
  local socket=unix://$run/current.sock
  mkdir -p "$run"
  part_is engine-current <<<"export DOCKER_HOST=$socket"
  if DOCKER_HOST=$socket docker version >/dev/null 2>&1; then return; fi
  packages
  containerd
  go_own engine "$cache/engine/dockerd" ' -X github.com/moby/moby/v2/dockerversion.Version=2.0.0-beta.24' '' github.com/moby/moby/v2/cmd/dockerd
  if ! ip link show "${bridge}2" >/dev/null 2>&1; then
    ip link add "${bridge}2" type bridge
    ip address add "$(network 2).1/24" dev "${bridge}2"
    ip link set "${bridge}2" up
  fi
  # The packet filter stays the other Engine's: with `bridge: none` it would lose its bridge.
  printf '{"data-root": "%s", "exec-root": "%s", "hosts": ["%s"], "bridge": "%s", "iptables": false, "ip6tables": false}\n' \
    "$cache/engine/data" "$run/current" "$socket" "${bridge}2" >"$run/current.json"
  daemon current "$node_bin:$system_path" "$cache/engine/dockerd" --config-file "$run/current.json" --pidfile "$run/current-docker.pid"
  DOCKER_HOST=$socket until_works 30 docker version || { tail "$log/current.log"; return 1; }
}

buildkitd() {
  local socket=unix://$run/buildkitd.sock runc=runc
  mkdir -p "$run"
  part_is buildkitd <<<"export BUILDKIT_HOST=$socket
export PATH=$cache/buildkit:\$PATH"
  if "$cache/buildkit/buildctl" --addr "$socket" debug workers >/dev/null 2>&1; then return; fi
  packages
  go_own buildkit "$cache/buildkit/buildctl" '' '' github.com/moby/buildkit/cmd/buildctl
  go_own buildkit "$cache/buildkit/buildkitd" '' '' github.com/moby/buildkit/cmd/buildkitd
  if ! may_sys_resource; then
    install -m755 "$here/node/runc-fit" "$run/runc-fit"
    runc=$run/runc-fit
  fi
  daemon buildkitd "$system_path" "$cache/buildkit/buildkitd" --addr "$socket" --root "$cache/buildkit/data" \
    --oci-worker-net=host --oci-worker-binary="$runc" --containerd-worker=false
  until_works 30 "$cache/buildkit/buildctl" --addr "$socket" debug workers || { tail "$log/buildkitd.log"; return 1; }
}

# registry NAME: a registry on the nodes' network that the nodes know under its address on this machine.
registry() {
  local name=$1 container=wharf-testbed-$1 arguments=() address scheme=http node
  if ! docker container inspect "$container" >/dev/null 2>&1; then
    if [ "$name" = registry-login ]; then
      certificates "$container"
      arguments=(-e REGISTRY_AUTH=htpasswd -e REGISTRY_AUTH_HTPASSWD_REALM=testbed
        -e REGISTRY_AUTH_HTPASSWD_PATH=/login/htpasswd -e REGISTRY_HTTP_TLS_CERTIFICATE=/login/server.crt
        -e REGISTRY_HTTP_TLS_KEY=/login/server.key)
    fi
    docker create --label "$label.container=$run" --name "$container" --network kind -p 127.0.0.1::5000 \
      "${arguments[@]}" registry:2
    if [ "$name" = registry-login ]; then docker cp "$state/login" "$container:/login"; fi
  fi
  docker start "$container"
  address=$(docker port "$container" 5000 | head -n1)
  if [ "$name" = registry-login ]; then
    scheme=https
    part_is registry-login <<EXPORTS
export WHARF_REGISTRY_LOGIN=$address
export WHARF_REGISTRY_USER=wharf
export WHARF_REGISTRY_PASSWORD=testbed
export WHARF_REGISTRY_CA=$state/login/ca.crt
EXPORTS
  else
    part_is registry <<<"export WHARF_REGISTRY=$address"
  fi
  for node in $(docker ps -q --filter label=io.x-k8s.kind.cluster); do
    is_ours "$node" || continue
    docker exec -i "$node" sh -c "mkdir -p '/etc/containerd/certs.d/$address' && cat >'/etc/containerd/certs.d/$address/hosts.toml'" <<HOSTS
[host."$scheme://$container:5000"]
  capabilities = ["pull", "resolve"]
$([ $scheme = http ] || echo "  ca = \"/etc/containerd/certs.d/$address/ca.crt\"")
HOSTS
    if [ $scheme = https ]; then docker cp "$state/login/ca.crt" "$node:/etc/containerd/certs.d/$address/ca.crt"; fi
  done
  until_works 20 curl -sk -o /dev/null "$scheme://$address/v2/"
}

# Whether a node belongs to a cluster of the testbed's.
is_ours() { grep -qs "^$(docker inspect -f '{{.Id}}' "$1")" "$state"/clusters/*/containers; }

# A certificate authority, a server's certificate, and who may log in.
certificates() {
  local dir=$state/login
  if [ -e "$dir/htpasswd" ]; then return; fi
  mkdir -p "$dir"
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=wharf testbed" -keyout "$dir/ca.key" -out "$dir/ca.crt"
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$dir/server.key" -out "$dir/server.csr"
  openssl x509 -req -days 30 -in "$dir/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial \
    -extfile <(printf 'subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1' "$1") -out "$dir/server.crt"
  # The word `testbed`, as bcrypt.
  # shellcheck disable=SC2016
  echo 'wharf:$2a$05$LR92WJM7eDlTLarpbJ1wje3YGkljn6BwcTFzl2dtmgEvEKkO1TiA.' >"$dir/htpasswd"
}

# k3d_nodes NAME: a cluster whose nodes look like k3d's: its labels and socket, and no perl.
k3d_nodes() {
  local name=$1 dir image=wharf-testbed/k3d-node:latest from=wharf-testbed/node:$kube_version
  if [ "$(cat "$state/source")" != packages ]; then from=$stock_node; fi
  dir=$(mktemp -d "$cache/part.XXXXXX")
  cat >"$dir/Dockerfile" <<DOCKERFILE
FROM $from
LABEL app=k3d k3d.cluster=$name k3d.role=server $label=k3d
RUN rm -f /usr/bin/perl* && mkdir -p /etc/systemd/system/containerd.service.d \\
 && printf '[Service]\\nExecStartPost=/bin/sh -c "mkdir -p /run/k3s && ln -sfn /run/containerd /run/k3s/containerd"\\n' >/etc/systemd/system/containerd.service.d/k3s.conf
DOCKERFILE
  DOCKER_BUILDKIT=0 docker build -q -t "$image" "$dir"
  rm -rf "$dir"
  cluster "$name" 1 "$image"
  kubectl --kubeconfig "$state/clusters/$name/kubeconfig" config rename-context "kind-$name" "k3d-$name"
}
