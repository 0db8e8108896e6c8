#!/usr/bin/env bash
# Tests of the testbed itself; up.sh must have been run. `test.sh full` also makes a second testbed
# out of a registry on 127.0.0.1, with an Engine of its own, and takes it back.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
up=$here/up.sh
passed=0 failed=0

# check SENTENCE: runs the function of that name.
check() {
  if "$1"; then passed=$((passed + 1)); echo "test $1 ... ok"
  else failed=$((failed + 1)); echo "test $1 ... FAILED"; fi
}

nodes() { docker ps -a --no-trunc --filter label=io.x-k8s.kind.cluster --format '{{.ID}} {{.State}}' | sort; }

up_again_is_quick_and_changes_nothing() {
  local before began took
  before=$(nodes)
  began=${EPOCHREALTIME/./}
  "$up" || return
  took=$(((${EPOCHREALTIME/./} - began) / 1000))
  [ "$(nodes)" = "$before" ] || { echo "containers changed"; return 1; }
  [ $took -le 2000 ] || { echo "it took $took ms"; return 1; }
}

the_own_kubeconfig_is_the_only_one_touched() {
  case $KUBECONFIG in "$HOME/.kube/"*) return 1 ;; esac
  [ ! -e "$HOME/.kube/config" ] || ! grep -q "$(kubectl config view --minify -o 'jsonpath={.clusters[0].cluster.server}')" "$HOME/.kube/config"
}

both_storage_classes_are_there() {
  [ "$(kubectl get storageclass standard -o 'jsonpath={.volumeBindingMode}')" = WaitForFirstConsumer ] &&
    [ "$(kubectl get storageclass standard-immediate -o 'jsonpath={.volumeBindingMode}')" = Immediate ]
}

a_waiting_claim_binds_to_its_first_consumer() {
  local answer
  kubectl apply -f - <<MANIFEST || return
apiVersion: v1
kind: Namespace
metadata: {name: testbed-test}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: waiting, namespace: testbed-test}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: immediate, namespace: testbed-test}
spec: {accessModes: [ReadWriteOnce], storageClassName: standard-immediate, resources: {requests: {storage: 1Mi}}}
MANIFEST
  kubectl -n testbed-test wait pvc/immediate --for=jsonpath='{.status.phase}'=Bound --timeout=30s &&
    [ "$(kubectl -n testbed-test get pvc waiting -o 'jsonpath={.status.phase}')" = Pending ] &&
    kind load docker-image busybox:1.36 --name "$(kubectl config current-context | sed 's/^kind-//')" &&
    kubectl -n testbed-test run consumer --image=busybox:1.36 --restart=Never --overrides='{"spec": {
      "containers": [{"name": "consumer", "image": "busybox:1.36", "command": ["sh", "-c", "echo kept >/data/file; cat /data/file; nslookup kubernetes.default.svc.cluster.local"],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
      "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "waiting"}}]}}' &&
    kubectl -n testbed-test wait pod/consumer --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s &&
    answer=$(kubectl -n testbed-test logs consumer) && grep -q kept <<<"$answer" && grep -q 'Address: 10\.96\.0\.1' <<<"$answer"
  local status=$?
  [ $status = 0 ] || kubectl -n testbed-test describe pod,pvc
  kubectl delete namespace testbed-test --wait=true --timeout=60s
  return $status
}

base_images_do_what_their_names_say() {
  [ "$(docker run --rm python:3.11-slim python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = 3.11 ] &&
    docker run --rm golang:1.26 go version | grep -q 'go1\.26' &&
    docker run --rm node:20-slim node --version | grep -q '^v' &&
    docker run --rm busybox:1.36 sh -c 'busybox | head -n1; wget -q -T 1 -O - http://127.0.0.1:1 || echo refused' | grep -q refused &&
    docker run --rm postgres:15 postgres --version | grep -q ' 15' &&
    docker run --rm redis:7 redis-server --version | grep -q 'v=7' &&
    docker run --rm nginx:1.25 nginx -v
}

# The other branch: node and base images pulled from a registry, into an Engine that has none.
a_machine_with_a_registry_pulls_its_images() {
  local name exports cache status
  exports=$("$up" part registry) && eval "$exports" || return
  for name in debian:bookworm-slim python:3.11-slim golang:1.26 node:20-slim busybox:1.36 postgres:15 redis:7 nginx:1.25 registry:2; do
    docker tag "$name" "$WHARF_REGISTRY/library/$name" && docker push -q "$WHARF_REGISTRY/library/$name" &&
      docker rmi "$WHARF_REGISTRY/library/$name" >/dev/null || return
  done
  name=$WHARF_REGISTRY/$(sed -n 's/^stock_node=//p' "$here/lib.sh")
  docker tag "$(docker container inspect -f '{{.Image}}' "$(docker ps -q --filter label=io.x-k8s.kind.role=control-plane | head -n1)")" "$name" &&
    docker push -q "$name" && docker rmi "$name" >/dev/null || return
  cache=$(mktemp -d)
  (
    export WHARF_TESTBED_CACHE=$cache WHARF_TESTBED_DOCKER=own WHARF_TESTBED_REGISTRY=$WHARF_REGISTRY
    unset DOCKER_HOST KUBECONFIG
    "$up" && exports=$("$up" env) && eval "$exports" &&
      docker image inspect python:3.11-slim >/dev/null && [ ! -e "$cache/node/kube" ] &&
      kubectl wait node --all --for=condition=Ready --timeout=10s && both_storage_classes_are_there &&
      up_again_is_quick_and_changes_nothing
  )
  status=$?
  WHARF_TESTBED_CACHE=$cache "$here/down.sh" --cache || status=1
  [ ! -e "$cache" ] || { echo "the cache is left"; status=1; }
  ! grep -q "$cache" /proc/self/mountinfo || { echo "mounts are left"; status=1; }
  return $status
}

exports=$("$up" env) || { echo "test result: FAILED. 0 passed; 1 failed"; exit 1; }
eval "$exports"
check up_again_is_quick_and_changes_nothing
check the_own_kubeconfig_is_the_only_one_touched
check both_storage_classes_are_there
check a_waiting_claim_binds_to_its_first_consumer
check base_images_do_what_their_names_say
if [ "${1:-}" = full ]; then
  check a_machine_with_a_registry_pulls_its_images
fi
echo "test result: $([ $failed = 0 ] && echo ok || echo FAILED). $passed passed; $failed failed"
[ $failed = 0 ]
