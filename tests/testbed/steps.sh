#!/usr/bin/env bash
# The steps of up.sh, each a function that does nothing when its work is done already.
# usage: steps.sh STEP [ARGS]
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=parts.sh
. "$here/parts.sh"
export PATH=$bin:$PATH
umask 022

# --- Debian packages and the Engine ---

wanted_packages() {
  echo debootstrap jq iproute2 iptables gcc libc6-dev
  # Only an Engine of the testbed's own needs the program; another may come from elsewhere.
  if engine_is_own && ! command -v dockerd >/dev/null; then echo docker.io; fi
}

missing_packages() {
  local package missing=()
  command -v dpkg-query >/dev/null || { echo "(none: this is no Debian)"; return; }
  for package in $(wanted_packages); do
    [ "$(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  echo "${missing[*]}"
}

packages() {
  local missing before
  command -v apt-get >/dev/null ||
    { echo "without an image registry this needs a Debian machine, for its packages" >&2; return 1; }
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  [ "$(id -u)" = 0 ] || { echo "installing $missing needs root" >&2; return 1; }
  before=$(dpkg-query -Wf '${Package}\n' | sort)
  apt-get update -q
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
  # What down.sh may remove again.
  comm -13 <(echo "$before") <(dpkg-query -Wf '${Package}\n' | sort) >>"$cache/installed-packages"
}

# The testbed's own Engine: own data, socket, bridge and configuration.
engine() {
  local pid_file runtimes='{}' tables=true
  if docker version >/dev/null 2>&1; then return; fi
  [ "$(id -u)" = 0 ] || { echo "starting a Docker Engine needs root; start Docker and try again" >&2; return 1; }
  packages
  # The pids of an Engine that was killed may mean other processes by now. The rest of what it
  # leaves it clears up itself, containers that go on without it among them.
  for pid_file in "$run/docker.pid" "$run/exec/containerd/containerd.pid"; do
    if [ -z "$(own_process "$pid_file" "$run")" ]; then rm -f "$pid_file"; fi
  done
  mkdir -p "$run" "$cache/docker"
  if ! may_sys_resource; then
    install -m755 "$here/node/runc-fit" "$run/runc-fit"
    runtimes=$(jq -n --arg fit "$run/runc-fit" '{runtimes: {fit: {path: $fit}}, "default-runtime": "fit"}')
  fi
  # Two Engines would clear each other's packet filter rules.
  if pgrep -x dockerd >/dev/null; then tables=false; fi
  if [ ! -e "$state/network-before" ]; then
    { sysctl net.ipv4.ip_forward; iptables -S FORWARD | head -n1; echo "tables $tables"; } >"$state/network-before"
  fi
  if ! ip link show "${bridge}0" >/dev/null 2>&1; then
    ip link add "${bridge}0" type bridge
    ip address add "$(network 0).1/24" dev "${bridge}0"
    ip link set "${bridge}0" up
  fi
  jq -n --arg cache "$cache" --arg run "$run" --arg bridge "${bridge}0" --argjson runtimes "$runtimes" --argjson tables "$tables" '{
    "data-root": ($cache + "/docker"), "exec-root": ($run + "/exec"), "pidfile": ($run + "/docker.pid"),
    hosts: ["unix://" + $run + "/docker.sock"], bridge: $bridge, iptables: $tables
  } + $runtimes' >"$run/daemon.json"
  # Not with the testbed's PATH: the Engine must find the shim that came with it.
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="${HOME:-/root}" \
    setsid dockerd --config-file "$run/daemon.json" \
    --containerd-namespace wharf-testbed --containerd-plugins-namespace wharf-testbed-plugins >"$log/dockerd.log" 2>&1 </dev/null 9>&- &
  for _ in $(seq 150); do
    if docker version >/dev/null 2>&1; then break; fi
    kill -0 $! 2>/dev/null || break
    sleep .2
  done
  docker version >/dev/null 2>&1 || { tail -n 10 "$log/dockerd.log"; return 1; }
  # kind uses the network of this name, and made here it has a bridge whose name is known.
  docker network inspect kind >/dev/null 2>&1 ||
    docker network create --subnet "$(network 1).0/24" -o com.docker.network.bridge.name="${bridge}1" \
      -o com.docker.network.bridge.enable_ip_masquerade=true kind
  if ! $tables && ! iptables -C FORWARD -i "${bridge}1" -o "${bridge}1" -j ACCEPT 2>/dev/null; then
    iptables -I FORWARD -i "${bridge}1" -o "${bridge}1" -j ACCEPT
  fi
}

# A newer docker command without buildx cannot build with BuildKit; Debian's older one can.
docker_cli() {
  local path
  rm -f "$bin/docker"
  path=$(command -v docker)
  if [ "$path" != /usr/bin/docker ] && [ -x /usr/bin/docker ] && ! docker buildx version >/dev/null 2>&1; then
    ln -s /usr/bin/docker "$bin/docker"
  fi
}

# --- programs from Go modules ---

go_environment() {
  export CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOTOOLCHAIN=local GO111MODULE=on GOWORK=off
  unset GOOS GOARCH GOBIN
}

# go_program DIR VERSION LDFLAGS TAGS PACKAGE...: installs commands of a published module.
go_program() {
  local dir=$1 version=$2 flags=$3 tags=$4 package key part missing=(); shift 4
  go_environment
  for package in "$@"; do
    key=$(key_of "$package@$version" "$flags" "$tags")
    kept "$dir/$(basename "$package")" "$key" || missing+=("$package@$version")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  part=$(mktemp -d "$cache/part.XXXXXX")
  GOBIN=$part go install -ldflags "-s -w $flags" -tags "$tags" "${missing[@]}"
  for package in "${missing[@]%@*}"; do
    keep "$part/$(basename "$package")" "$dir/$(basename "$package")" "$(key_of "$package@$version" "$flags" "$tags")"
  done
  rm -rf "$part"
}

kind() { go_program "$bin" "$kind_version" '' '' sigs.k8s.io/kind; }

helm3() {
  go_program "$bin" "$helm3_version" "-X helm.sh/helm/v3/internal/version.version=$helm3_version" '' helm.sh/helm/v3/cmd/helm
}

helm4() {
  go_program "$cache/helm4" "$helm4_version" "-X helm.sh/helm/v4/internal/version.version=$helm4_version" '' helm.sh/helm/v4/cmd/helm
}

containerd() {
  go_program "$node_bin" "$containerd_version" '' 'no_btrfs no_zfs no_devmapper no_aufs' \
    github.com/containerd/containerd/v2/cmd/{ctr,containerd-shim-runc-v2,containerd}
}

# go_own DIR FILE LDFLAGS TAGS [PACKAGE]: builds the main package that lies in DIR beside this script,
# or one that the module there names as a tool.
go_own() {
  local dir=$1 file=$2 flags=$3 tags=$4 package=${5:-.} key part
  key=$(key_of "$here/$dir" "$flags" "$tags" "$package")
  if kept "$file" "$key"; then return; fi
  go_environment
  part=$(mktemp -d "$cache/part.XXXXXX")
  (cd "$here/$dir" && go build -trimpath -ldflags "-s -w$flags" -tags "$tags" -o "$part/program" "$package")
  keep "$part/program" "$file" "$key"
  rm -rf "$part"
}

coredns() { go_own coredns "$node_bin/coredns" '' ''; }

kube() {
  local flags='' package
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$kube_version -X $package.gitMajor=1 -X $package.gitMinor=36"
    flags+=" -X $package.gitCommit=none -X $package.gitTreeState=clean -X $package.buildDate=2026-11-21T00:00:00Z"
  done
  go_own kube "$node_bin/kube" "$flags" providerless
  ln -sfn "$node_bin/kube" "$bin/kubectl"
}

# --- images ---

# The key that an image was made from, as its label says; fails where there is no such image.
image_key() { docker image inspect -f "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null; }

# make_image NAME KEY COMMAND...: makes an image unless it is there. One that the testbed did not make stays.
make_image() {
  local name=$1 key=$2 have; shift 2
  if have=$(image_key "$name"); then
    if [ "$have" = "$key" ]; then return; fi
    if [ -z "$have" ]; then echo "$name is not of the testbed's making and stays as it is"; return; fi
  fi
  echo "making $name"
  "$@" "$name" "$key"
}

# Debian's smallest system, as the official slim image has it.
debian_root() {
  local tar=$cache/bookworm.tar key dir mirror
  key=$(key_of bookworm-slim 2)
  if ! kept "$tar" "$key"; then
    # The mirror that this machine uses, if it is one of the same release.
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 'Origin: Debian' | head -n1)
    dir=$(mktemp -d "$cache/part.XXXXXX")
    debootstrap --variant=minbase --include=ca-certificates bookworm "$dir/root" ${mirror:+"$mirror"}
    # As in the official image: nothing of apt's own, and no manuals.
    printf 'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\nDPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };\n' \
      >"$dir/root/etc/apt/apt.conf.d/docker-clean"
    printf 'path-exclude /usr/share/%s/*\n' doc man info locale >"$dir/root/etc/dpkg/dpkg.cfg.d/slim"
    echo 'path-include /usr/share/doc/*/copyright' >>"$dir/root/etc/dpkg/dpkg.cfg.d/slim"
    tar -C "$dir/root" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./dev/*' \
      --exclude='./usr/share/man/*' --exclude='./usr/share/info/*' --exclude='./usr/share/locale/*' -cf "$dir/tar" .
    keep "$dir/tar" "$tar" "$key"
    rm -rf "$dir"
  fi
  make_image debian:bookworm-slim "$key" debian_import
}
debian_import() { docker import -c 'CMD ["bash"]' -c "LABEL $label=$2" "$cache/bookworm.tar" "$1"; }

standins() {
  local name parent
  debian_root
  parent=$(docker image inspect -f '{{.Id}}' debian:bookworm-slim)
  for name in "${base_images[@]:1}"; do
    make_image "$name" "$(key_of "$here/images/${name%%:*}.Dockerfile" "$parent" "$(extra_of "${name%%:*}" key)")" standin
  done
  node_root
}

standin() {
  local name=$1 key=$2 dir
  dir=$(mktemp -d "$cache/part.XXXXXX")
  cp "$here/images/${name%%:*}.Dockerfile" "$dir/Dockerfile"
  extra_of "${name%%:*}" "$dir"
  # The classic builder is in every Engine; the host's network is where the packages come from.
  DOCKER_BUILDKIT=0 docker build -q --network host --label "$label=$key" -t "$name" "$dir"
  rm -rf "$dir"
}

# What a stand-in has beside its Dockerfile: put into the folder, or as one word with `key`.
extra_of() {
  local image=$1 to=$2 node root
  case $image in
    postgres)
      if [ "$to" = key ]; then cat "$here/images/postgres-entrypoint"
      else install -m755 "$here/images/postgres-entrypoint" "$to/"; fi ;;
    golang)
      if [ "$to" = key ]; then go env GOVERSION; return; fi
      root=$(go env GOROOT)
      mkdir "$to/go"
      tar -C "$root" --exclude=./test --exclude=./api --exclude=./doc --exclude='./src/*testdata' -c . | tar -C "$to/go" -x ;;
    node)
      node=$(readlink -f "$(command -v node)" 2>/dev/null) || node=
      if [ -z "$node" ] || [[ $("$node" --version) != v20.* ]]; then node=; fi
      if [ "$to" = key ]; then echo "${node:+$("$node" --version)}"; return; fi
      mkdir -p "$to/node/bin" "$to/node/lib/node_modules"
      [ -n "$node" ] || return 0
      cp "$node" "$to/node/bin/node"
      root=$(dirname "$node")/../lib/node_modules/npm
      if [ -d "$root" ]; then
        cp -r "$root" "$to/node/lib/node_modules/"
        ln -s ../lib/node_modules/npm/bin/npm-cli.js "$to/node/bin/npm"
        ln -s ../lib/node_modules/npm/bin/npx-cli.js "$to/node/bin/npx"
      fi ;;
  esac
}

# pulled_images SOURCE: base and node images from `hub` or from a registry.
pulled_images() {
  local name from node=$stock_node
  for name in "${base_images[@]}" "$node"; do
    if docker image inspect "$name" >/dev/null 2>&1; then continue; fi
    from=$name
    if [ "$1" != hub ]; then
      case $name in */*) from=$1/$name ;; *) from=$1/library/$name ;; esac
    elif [ "$name" = "$node" ]; then continue # kind pulls it by its digest
    fi
    docker pull -q "$from"
    if [ "$from" != "$name" ]; then docker tag "$from" "$name"; fi
    echo "$name" >>"$cache/pulled-images"
  done
}

kind_source() {
  go_environment
  (cd / && go mod download -json "sigs.k8s.io/kind@$kind_version" | jq -r .Dir)
}

node_name=wharf-testbed/node

# The node's system without the programs: it can be made while they are still compiled.
node_root() {
  local key
  key=$(key_of "$here/node/Dockerfile" "$here/node/cni.yaml" "$here/node/storage.yaml" "$kind_version" "$kube_version" \
    "$(docker image inspect -f '{{.Id}}' debian:bookworm-slim)" "$(may_sys_resource && echo resource)")
  make_image "$node_name-root:latest" "$key" node_root_build
}
node_root_build() {
  local dir restrict=false
  dir=$(mktemp -d "$cache/part.XXXXXX")
  cp "$here/node/Dockerfile" "$dir/"
  cp -r "$(kind_source)/images/base/files" "$dir/files"
  chmod -R u+w "$dir/files"
  mkdir -p "$dir/files/kind/manifests"
  cp "$here/node/cni.yaml" "$dir/files/kind/manifests/default-cni.yaml"
  cp "$here/node/storage.yaml" "$dir/files/kind/manifests/default-storage.yaml"
  echo "$kube_version" >"$dir/files/kind/version"
  find "$dir/files" -type d -exec chmod 755 {} +
  find "$dir/files" -type f -exec chmod 644 {} +
  chmod 755 "$dir"/files/kind/bin/* "$dir"/files/usr/local/bin/*
  may_sys_resource || restrict=true
  sed -i "s/restrict_oom_score_adj = false/restrict_oom_score_adj = $restrict/" "$dir/files/etc/containerd/config.toml"
  DOCKER_BUILDKIT=0 docker build -q --network host --label "$label=$2" -t "$1" "$dir"
  rm -rf "$dir"
}

# kind's node image: the system, the programs, and the control plane's images in its store.
node_image() {
  local key
  node_root
  key=$(key_of "$(image_key "$node_name-root:latest")" "$(cat "$node_bin"/{kube,coredns,ctr,containerd,containerd-shim-runc-v2}.made)" \
    "$here/node/images.Dockerfile" "$here/node/pause.c" "$(declare -f node_image_build)")
  make_image "$node_name:$kube_version" "$key" node_image_build
}
node_image_build() {
  local name=$1 key=$2 dir target image from names prefix baker=wharf-testbed-bake
  dir=$(mktemp -d "$cache/part.XXXXXX")
  cp "$here/node/images.Dockerfile" "$dir/Dockerfile"
  ln "$node_bin"/{kube,coredns,ctr,containerd,containerd-shim-runc-v2} "$dir/"
  gcc -Os -static -s -o "$dir/pause" "$here/node/pause.c"
  for target in node static proxy coredns pause; do
    DOCKER_BUILDKIT=0 docker build -q --label "$label=part" --target "$target" -t "wharf-testbed/part-$target" "$dir"
  done
  docker save -o "$dir/images.tar" wharf-testbed/part-{static,proxy,coredns,pause}
  docker rm -f "$baker" >/dev/null 2>&1 || true
  docker run -d --privileged --name "$baker" --entrypoint sleep wharf-testbed/part-node infinity
  docker exec -d "$baker" containerd
  for _ in $(seq 50); do
    if docker exec "$baker" ctr version >/dev/null 2>&1; then break; fi
    sleep .2
  done
  docker exec -i "$baker" ctr -n k8s.io images import --no-unpack --local - <"$dir/images.tar"
  names=$("$node_bin/kube" kubeadm config images list --kubernetes-version "$kube_version")
  # Besides: the sandbox that containerd's configuration names, and what the pod network runs.
  names+=" localhost/pod-network:local $(sed -n 's/ *sandbox_image = "\(.*\)"/\1/p' "$(kind_source)/images/base/files/etc/containerd/config.toml")"
  prefix=$(docker exec "$baker" ctr -n k8s.io images ls -q | sed -n 's#/part-static:.*##p')
  for image in $names; do
    case $image in
      *coredns*) from=coredns ;; *pause*) from=pause ;; *proxy* | *network*) from=proxy ;; *) from=static ;;
    esac
    docker exec "$baker" ctr -n k8s.io images tag --force "$prefix/part-$from:latest" "$image"
  done
  docker exec "$baker" ctr -n k8s.io images ls -q
  docker exec "$baker" sh -c 'ctr -n k8s.io images rm $(ctr -n k8s.io images ls -q | grep wharf-testbed/part-)'
  docker exec "$baker" sh -c 'kill $(pidof containerd); while pidof containerd >/dev/null; do sleep .1; done; rm -rf /run/containerd'
  docker commit -c 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]' -c "LABEL $label=$key" "$baker" "$name"
  docker rm -f "$baker"
  docker rmi wharf-testbed/part-{node,static,proxy,coredns,pause}
  rm -rf "$dir"
}

# --- clusters ---

kind_command() { "$bin/kind" "$@"; }

# cluster NAME NODES [IMAGE]: a new cluster, where there is none of that name but perhaps a broken one of ours.
cluster() {
  local name=$1 nodes=$2 image=${3:-} dir=$state/clusters/$1 source_
  source_=$(cat "$state/source")
  if kind_command get clusters 2>/dev/null | grep -qx "$name"; then
    if [ ! -e "$dir/config" ]; then
      echo "there is a kind cluster \`$name\` already, which the testbed did not make; choose another with --name" >&2
      return 1
    fi
    kind_command delete cluster --name "$name" --kubeconfig "$dir/kubeconfig"
  fi
  rm -rf "$dir"
  mkdir -p "$dir"
  cat >"$dir/config" <<CONFIG
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking: {apiServerAddress: 127.0.0.1}
# Registries of the testbed tell the nodes here how they are reached.
containerdConfigPatches:
- |-
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
nodes:
- role: control-plane
$(for _ in $(seq 2 "$nodes"); do echo '- role: worker'; done)
kubeadmConfigPatches:
- |
  kind: KubeletConfiguration
  failCgroupV1: false
- |
  kind: ClusterConfiguration
  etcd: {local: {extraArgs: [{name: unsafe-no-fsync, value: "true"}]}}
# A busy machine needs longer than kubeadm waits.
- |
  kind: InitConfiguration
  timeouts: {kubeletHealthCheck: 8m0s, controlPlaneComponentHealthCheck: 8m0s, kubernetesAPICall: 5m0s}
- |
  kind: JoinConfiguration
  timeouts: {kubeletHealthCheck: 8m0s, kubernetesAPICall: 5m0s, tlsBootstrap: 8m0s, discovery: 8m0s}
CONFIG
  if [ -z "$image" ]; then
    case $source_ in
      packages) image=$node_name:$kube_version ;;
      hub) ;;
      *) image=$stock_node ;;
    esac
  fi
  docker network inspect kind >/dev/null 2>&1 || echo kind >"$state/network"
  if [ "$nodes" -gt 1 ]; then more_inotify; fi
  kind_command create cluster --name "$name" --config "$dir/config" --kubeconfig "$dir/kubeconfig" \
    ${image:+--image "$image"} --wait 300s
  if [ ! -e "$bin/kubectl" ]; then
    docker cp "$name-control-plane:/usr/bin/kubectl" "$bin/kubectl.part"
    mv "$bin/kubectl.part" "$bin/kubectl"
  fi
  export KUBECONFIG=$dir/kubeconfig
  kubectl wait node --all --for=condition=Ready --timeout=120s
  kubectl wait serviceaccount/default --for=create --timeout=60s
  # The stock node image has the waiting class only.
  kubectl get storageclass standard-immediate >/dev/null 2>&1 || kubectl apply -f - <<CLASS
$(sed -n '/^---$/,$p' "$here/node/storage.yaml")
CLASS
  docker ps -q --no-trunc --filter "label=io.x-k8s.kind.cluster=$name" >"$dir/containers.part"
  mv "$dir/containers.part" "$dir/containers"
}

# Each node's systemd and kubelet watch files; the usual 128 instances are not enough for three.
more_inotify() {
  local now
  now=$(sysctl -n fs.inotify.max_user_instances)
  if [ "$now" -ge 512 ]; then return; fi
  echo "fs.inotify.max_user_instances=$now" >>"$state/sysctl-before"
  sysctl -w fs.inotify.max_user_instances=512
}

"$@"
