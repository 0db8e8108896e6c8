# Debian's docker-registry under the official image's paths and variables.
FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends docker-registry ca-certificates \
 && rm -rf /var/lib/apt/lists/* && mkdir -p /var/lib/registry /etc/docker/registry \
 && printf 'version: 0.1\nlog: {level: warn}\nstorage:\n  filesystem: {rootdirectory: /var/lib/registry}\n  delete: {enabled: true}\nhttp: {addr: ":5000"}\n' \
      >/etc/docker/registry/config.yml
EXPOSE 5000
ENTRYPOINT ["docker-registry"]
CMD ["serve", "/etc/docker/registry/config.yml"]
