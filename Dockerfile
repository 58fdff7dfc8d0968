# syntax=docker/dockerfile:1
# The server and the client in one image without a shell. eng/image-check does these steps without a Docker engine.
#
#   docker build -t registry.example.org/orleans-cache:0.1.0 .
#
# It is for the processor that it is built on.

FROM mcr.microsoft.com/dotnet/sdk:10.0-noble AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends libzstd1 liblzma5 libbz2-1.0 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/root/.nuget/packages eng/build
# The loader looks into /usr/lib on every processor. The libraries need nothing but libc.
RUN mkdir -p /image/usr/lib /image/usr/local/bin \
 && for l in libzstd.so.1 liblzma.so.5 libbz2.so.1; do cp -L "/usr/lib/$(uname -m)-linux-gnu/$l" /image/usr/lib/; done \
 && cp artifacts/bin/orleans-cache* /image/usr/local/bin/

FROM mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled
COPY --from=build /image/ /
# The base image names a port of its own, which the server would have to overrule.
ENV ASPNETCORE_HTTP_PORTS=
USER 1654:1654
EXPOSE 5751 11111
ENTRYPOINT ["/usr/local/bin/orleans-cache-server"]
