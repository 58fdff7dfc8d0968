# nix-build -A orleans-cache or -A orleans-cache-server; flake.nix has the same.
{
  pkgs ? import <nixpkgs> { },
}:
let
  all = pkgs.extend (import ./nix/overlay.nix);
in
{
  inherit (all) orleans-cache orleans-cache-server;
  overlay = import ./nix/overlay.nix;
  modules = import ./nix/modules;
}
