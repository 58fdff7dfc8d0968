# What both packages are made of.
{
  lib,
  bzip2,
  xz,
  zstd,
}:
let
  properties = builtins.readFile ../Directory.Build.props;
in
rec {
  version = builtins.head (builtins.match ".*<Version>([^<]*)</Version>.*" properties);

  # Without global.json, as nixpkgs has an SDK of its own.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [ ../src ../Directory.Build.props ../Directory.Packages.props ../.editorconfig ];
  };

  # A library that is opened by its name is nowhere in NixOS: the name becomes a path. Fails where the source has no such name.
  absolute = file: name: library: ''
    substituteInPlace ${file} --replace-fail '"${name}"' '"${lib.getLib library}/lib/${name}"'
  '';
  postPatch =
    absolute "src/Nix/Compression/NativeZstd.cs" "libzstd.so.1" zstd
    + absolute "src/Nix/Compression/XzDecompressStream.cs" "liblzma.so.5" xz
    + absolute "src/Nix/Compression/Bzip2DecompressStream.cs" "libbz2.so.1" bzip2;
}
