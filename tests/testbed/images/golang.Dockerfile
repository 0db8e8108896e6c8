# This machine's Go tree on Debian. The standard library's common packages are compiled
# already, so that a small program builds in seconds and without a network.
FROM debian:bookworm-slim
COPY go /usr/local/go
ENV GOPATH=/go GOTOOLCHAIN=local GOFLAGS=-mod=mod CGO_ENABLED=0 \
    PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN mkdir -p /go/src /go/bin && chmod -R 777 /go \
 && go build net/http net/http/httputil encoding/json log/slog database/sql html/template os/signal
WORKDIR /go
CMD ["bash"]
