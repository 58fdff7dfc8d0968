# The client, compiled to a native program: a post-build-hook has to start within milliseconds.
{
  lib,
  stdenv,
  buildDotnetModule,
  dotnetCorePackages,
  bzip2,
  openssl,
  sqlite,
  xz,
  zlib,
  zstd,
}:
let
  source = import ./source.nix { inherit lib bzip2 xz zstd; };
in
buildDotnetModule {
  pname = "orleans-cache";
  inherit (source) version src;

  projectFile = "src/Cli/OrleansCache.Cli.csproj";
  nugetDeps = ./deps.json;
  dotnet-sdk = dotnetCorePackages.sdk_10_0;
  dotnet-runtime = null;
  selfContainedBuild = true;
  dotnetFlags = [ "-p:PublishAot=true" ];

  nativeBuildInputs = [ stdenv.cc ];
  buildInputs = [ zlib ];
  # .NET opens libssl by its name; the program's own run path is where the loader looks first.
  env.NIX_LDFLAGS = "-rpath ${lib.makeLibraryPath [ openssl ]}";

  postPatch = source.postPatch + source.absolute "src/Cli/Store/Sqlite.cs" "libsqlite3.so.0" sqlite
    + source.absolute "src/Cli/Store/SqliteStatement.cs" "libsqlite3.so.0" sqlite;

  # A native program needs no wrapper, which would cost each build a shell.
  dontDotnetFixup = true;
  postInstall = ''
    mkdir -p $out/bin
    ln -s $out/lib/orleans-cache/orleans-cache $out/bin/orleans-cache
    ln -s $out/lib/orleans-cache/orleans-cache $out/bin/orleans-cache-hook
    for shell in \
      bash:bash-completion/completions/orleans-cache \
      zsh:zsh/site-functions/_orleans-cache \
      fish:fish/vendor_completions.d/orleans-cache.fish; do
      mkdir -p "$(dirname "$out/share/''${shell#*:}")"
      $out/bin/orleans-cache completion "''${shell%%:*}" >"$out/share/''${shell#*:}"
    done
  '';

  meta = {
    description = "Pushes Nix store paths to an OrleansCache server";
    license = lib.licenses.mit;
    mainProgram = "orleans-cache";
    platforms = [ "x86_64-linux" "aarch64-linux" ];
  };
}
