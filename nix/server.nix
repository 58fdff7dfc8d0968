# The server, on the .NET runtime of nixpkgs. It carries the libsodium of its package, and finds all else by absolute paths.
{
  lib,
  buildDotnetModule,
  dotnetCorePackages,
  bzip2,
  postgresql,
  util-linux,
  xz,
  zstd,
}:
let
  source = import ./source.nix { inherit lib bzip2 xz zstd; };
in
buildDotnetModule {
  pname = "orleans-cache-server";
  inherit (source) version src;

  projectFile = "src/Gateway/OrleansCache.Gateway.csproj";
  nugetDeps = ./deps.json;
  dotnet-sdk = dotnetCorePackages.sdk_10_0;
  dotnet-runtime = dotnetCorePackages.aspnetcore_10_0;
  dotnetFlags = [ "-p:PublishReadyToRun=false" "-p:PublishSingleFile=false" ];
  executables = [ "orleans-cache-server" ];

  inherit (source) postPatch;

  # setsid and setpriv start the private PostgreSQL.
  makeWrapperArgs = [
    "--prefix" "PATH" ":" (lib.makeBinPath [ util-linux ])
    "--set-default" "ORLEANS_CACHE_POSTGRES_BIN" "${postgresql}/bin"
  ];

  meta = {
    description = "Highly available write path for Nix binary caches";
    license = lib.licenses.mit;
    mainProgram = "orleans-cache-server";
    platforms = [ "x86_64-linux" "aarch64-linux" ];
  };
}
