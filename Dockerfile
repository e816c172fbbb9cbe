# The image holds one static file and an empty /data: certificates and zone data are inside the binary.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=0.1.0-dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/teiki . && mkdir -p /out/data

FROM scratch
COPY --from=build /out/teiki /teiki
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
# TZ is honoured: -e TZ=Europe/Berlin
ENV TEIKI_LISTEN=0.0.0.0:8000 TEIKI_DB=/data/jobs.db
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/teiki"]
