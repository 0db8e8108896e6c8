# Debian's busybox, the dynamically linked one: the static one crashes in getaddrinfo. Its wget
# crashes at `-T`, so the image has GNU's.
FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends busybox wget \
 && rm -rf /var/lib/apt/lists/* \
 && for applet in $(busybox --list); do \
      command -v "$applet" >/dev/null || ln -s "$(command -v busybox)" "/usr/local/bin/$applet"; \
    done
CMD ["sh"]
