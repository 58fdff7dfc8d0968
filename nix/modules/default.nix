# What flake.nix calls nixosModules.
{
  default = {
    imports = [ ./server.nix ./push.nix ./reader.nix ];
  };
  server = ./server.nix;
  push = ./push.nix;
  reader = ./reader.nix;
}
