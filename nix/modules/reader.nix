# services.orleans-cache.reader: this machine substitutes from caches.
{ config, lib, ... }:
let
  inherit (lib) mkEnableOption mkIf mkOption types;
  cfg = config.services.orleans-cache.reader;
in
{
  options.services.orleans-cache.reader = {
    enable = mkEnableOption "substituting from OrleansCache";
    caches = mkOption {
      default = { };
      description = "The caches, by any name. `orleans-cache info` prints both lines.";
      type = types.attrsOf (types.submodule {
        options = {
          url = mkOption { type = types.str; description = "The server's URL, /c/NAME below it, or a bucket's."; };
          publicKeys = mkOption { type = types.nonEmptyListOf types.str; description = "The keys that sign its paths."; };
        };
      });
    };
    netrcFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "A file with the tokens for private caches.";
    };
  };

  config = mkIf cfg.enable {
    nix.settings = {
      substituters = lib.mapAttrsToList (_: cache: cache.url) cfg.caches;
      trusted-public-keys = lib.concatMap (cache: cache.publicKeys) (lib.attrValues cfg.caches);
      netrc-file = mkIf (cfg.netrcFile != null) cfg.netrcFile;
    };
  };
}
