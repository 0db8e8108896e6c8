# Debian's busybox. It is the dynamically linked one: the static one crashes in getaddrinfo.
FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends busybox \
 && rm -rf /var/lib/apt/lists/* \
 && for applet in $(busybox --list); do \
      command -v "$applet" >/dev/null || ln -s "$(command -v busybox)" "/usr/local/bin/$applet"; \
    done
CMD ["sh"]
