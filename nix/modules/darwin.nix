# services.orleans-cache.push for nix-darwin: what this Mac builds is pushed while it builds, by Nix's hook and a queue, or by watching the store.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkEnableOption mkIf mkOption types;
  cfg = config.services.orleans-cache.push;
  # That of root, which builds: the hook and the daemon find it by themselves.
  folder = "/var/lib/orleans-cache-queue";
  words = option: lib.concatMap (value: [ "--${option}" value ]);
  arguments =
    lib.optional cfg.watchStore "--watch-store"
    ++ words "exclude" cfg.exclude
    ++ words "filter" cfg.filter
    ++ lib.optionals (cfg.maxNarSize != null) [ "--max-nar-size" cfg.maxNarSize ]
    ++ cfg.extraArguments;
in
{
  options.services.orleans-cache.push = {
    enable = mkEnableOption "pushing what is built here to an OrleansCache server";
    package = mkOption {
      type = types.package;
      description = "The client: a folder with bin/orleans-cache and the link bin/orleans-cache-hook to it.";
    };
    url = mkOption { type = types.str; description = "The server."; };
    cache = mkOption { type = types.str; default = "default"; description = "The cache."; };
    tokenFile = mkOption { type = types.str; description = "A file with a token of scope push, which root alone need read."; };
    watchStore = mkOption { type = types.bool; default = false; description = "Watch Nix's database instead of setting the hook."; };
    exclude = mkOption { type = types.listOf types.str; default = [ ]; description = "Names whose closures stay here."; };
    filter = mkOption { type = types.listOf types.str; default = [ ]; description = "Names that alone are pushed; none: all."; };
    maxNarSize = mkOption { type = types.nullOr types.str; default = null; description = "The largest NAR, such as 2G."; };
    extraArguments = mkOption { type = types.listOf types.str; default = [ ]; description = "Of `queue run`."; };
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    nix.settings = mkIf (!cfg.watchStore) { post-build-hook = "${cfg.package}/bin/orleans-cache-hook"; };

    # Of the system and not of a user: Nix's daemon builds as root, and its hook queues for root.
    launchd.daemons.orleans-cache-queue.serviceConfig = {
      ProgramArguments = [ "${cfg.package}/bin/orleans-cache" "queue" "run" ] ++ arguments;
      EnvironmentVariables = {
        ORLEANS_CACHE_URL = cfg.url;
        ORLEANS_CACHE_NAME = cfg.cache;
        # launchd has no credentials: the daemon reads the file, as root.
        ORLEANS_CACHE_TOKEN_FILE = cfg.tokenFile;
        ORLEANS_CACHE_QUEUE = folder;
        HOME = "/var/root";
        NIX_REMOTE = "daemon";
        PATH = "${config.nix.package}/bin:/usr/bin:/bin";
      };
      RunAtLoad = true;
      # It listens by itself, so it has to be there; after a failure it is started again.
      KeepAlive = true;
      ThrottleInterval = 5;
      ExitTimeOut = 60;
      Nice = 5;
      ProcessType = "Background";
      StandardErrorPath = "/var/log/orleans-cache-queue.log";
      StandardOutPath = "/var/log/orleans-cache-queue.log";
    };
  };
}
