# The node with its programs, and the images that a control plane wants.
FROM wharf-testbed/node-root AS node
COPY containerd ctr containerd-shim-runc-v2 /usr/local/bin/
COPY kube /usr/bin/kube
RUN for name in kubelet kubeadm kubectl crictl; do ln -sf kube /usr/bin/$name; done \
 && ctr oci spec | jq '.hooks.createContainer += [{path: "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
      >/etc/containerd/cri-base.json

FROM wharf-testbed/node-root AS names
RUN mkdir -p /names/tmp && cd /names \
 && for name in kube-apiserver kube-controller-manager kube-scheduler etcd; do ln -s kube $name; done

# Nothing but the one program: small, so that the control plane starts early.
FROM scratch AS static
COPY kube /usr/local/bin/kube
COPY --from=names /names/ /usr/local/bin/
ENV PATH=/usr/local/bin

# kube-proxy and the pod network also need a shell, iptables and ip.
FROM wharf-testbed/node-root AS proxy
COPY kube /usr/bin/kube
RUN ln -s /usr/bin/kube /usr/local/bin/kube-proxy && ln -s kube /usr/bin/kubectl
ENTRYPOINT []

FROM scratch AS coredns
COPY coredns /coredns
ENTRYPOINT ["/coredns"]

FROM scratch AS pause
COPY pause /pause
ENTRYPOINT ["/pause"]
