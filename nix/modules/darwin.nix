# services.orleans-cache.push for nix-darwin: what this Mac builds is pushed while it builds, by Nix's hook and a queue, or by watching the store.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkIf mkOption types;
  pushing = import ./pushing.nix { inherit lib; };
  cfg = config.services.orleans-cache.push;
  # That of root, which builds: the hook and the daemon find it by themselves.
  folder = "/var/lib/orleans-cache-queue";
in
{
  options.services.orleans-cache.push = pushing.options // {
    package = mkOption {
      type = types.package;
      description = "The client: a folder with bin/orleans-cache and the link bin/orleans-cache-hook to it.";
    };
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    nix.settings = mkIf (!cfg.watchStore) { post-build-hook = "${cfg.package}/bin/orleans-cache-hook"; };

    # Of the system and not of a user: Nix's daemon builds as root, and its hook queues for root.
    launchd.daemons.orleans-cache-queue.serviceConfig = {
      ProgramArguments = [ "${cfg.package}/bin/orleans-cache" "queue" "run" ] ++ pushing.arguments cfg;
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
