# What services.orleans-cache.push is on NixOS and nix-darwin alike: its options, and the words of `queue run`.
{ lib }:
let
  inherit (lib) mkEnableOption mkOption types;
  words = option: lib.concatMap (value: [ "--${option}" value ]);
in
{
  options = {
    enable = mkEnableOption "pushing what is built here to an OrleansCache server";
    url = mkOption { type = types.str; description = "The server."; };
    cache = mkOption { type = types.str; default = "default"; description = "The cache."; };
    tokenFile = mkOption { type = types.str; description = "A file with a token of scope push, which root alone need read."; };
    watchStore = mkOption { type = types.bool; default = false; description = "Watch Nix's database instead of setting the hook."; };
    exclude = mkOption { type = types.listOf types.str; default = [ ]; description = "Names whose closures stay here."; };
    filter = mkOption { type = types.listOf types.str; default = [ ]; description = "Names that alone are pushed; none: all."; };
    maxNarSize = mkOption { type = types.nullOr types.str; default = null; description = "The largest NAR, such as 2G."; };
    extraArguments = mkOption { type = types.listOf types.str; default = [ ]; description = "Of `queue run`."; };
  };

  arguments =
    cfg:
    lib.optional cfg.watchStore "--watch-store"
    ++ words "exclude" cfg.exclude
    ++ words "filter" cfg.filter
    ++ lib.optionals (cfg.maxNarSize != null) [ "--max-nar-size" cfg.maxNarSize ]
    ++ cfg.extraArguments;
}
