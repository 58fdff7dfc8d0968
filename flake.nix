{
  description = "A highly available write path for Nix binary caches";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      each = nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ];
      packagesOf = system: nixpkgs.legacyPackages.${system}.extend self.overlays.default;
    in
    {
      overlays.default = import ./nix/overlay.nix;
      packages = each (system: {
        inherit (packagesOf system) orleans-cache orleans-cache-server;
        default = (packagesOf system).orleans-cache;
      });
      nixosModules = import ./nix/modules;
      darwinModules.default = ./nix/modules/darwin.nix;
      checks = each (system: {
        machines = import ./nix/tests/machines.nix { pkgs = packagesOf system; };
      });
    };
}
