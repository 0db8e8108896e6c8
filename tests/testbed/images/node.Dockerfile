# This machine's Node.js 20 where it has one, else Debian's.
FROM debian:bookworm-slim
COPY node /usr/local/
RUN apt-get update -q \
 && if [ -x /usr/local/bin/node ]; then apt-get install -y -q --no-install-recommends libstdc++6; \
    else apt-get install -y -q --no-install-recommends nodejs npm; fi \
 && rm -rf /var/lib/apt/lists/* && node --version
CMD ["node"]
