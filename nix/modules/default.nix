# What flake.nix calls nixosModules.
{
  default = {
    imports = [ ./server.nix ./push.nix ./deploy.nix ./reader.nix ];
  };
  server = ./server.nix;
  push = ./push.nix;
  deploy = ./deploy.nix;
  reader = ./reader.nix;
}
