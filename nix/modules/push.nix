# services.orleans-cache.push: what this machine builds is pushed while it builds, by Nix's hook and a queue, or by watching the store.
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
  folder = "/var/lib/orleans-cache-queue";
  # One word of ExecStart: neither a specifier nor a variable of systemd.
  quoted = word: builtins.toJSON (builtins.replaceStrings [ "%" "$" ] [ "%%" "$$" ] word);
in
{
  options.services.orleans-cache.push = pushing.options // {
    package = mkOption {
      type = types.package;
      default = pkgs.orleans-cache or (pkgs.callPackage ../client.nix { });
      defaultText = lib.literalExpression "pkgs.orleans-cache";
      description = "The client.";
    };
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    nix.settings = mkIf (!cfg.watchStore) { post-build-hook = "${cfg.package}/bin/orleans-cache-hook"; };

    systemd.services.orleans-cache-queue = {
      description = "OrleansCache: pushes what Nix has built";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" "nix-daemon.socket" ];
      requires = [ "orleans-cache-queue.socket" ];
      # The configuration or Nix may be away for hours: the unit tries again until they are back.
      unitConfig.StartLimitIntervalSec = 0;
      path = [ config.nix.package ];
      environment = {
        ORLEANS_CACHE_URL = cfg.url;
        ORLEANS_CACHE_NAME = cfg.cache;
        ORLEANS_CACHE_TOKEN_FILE = "%d/token";
        ORLEANS_CACHE_QUEUE = folder;
        HOME = folder;
        # The store is read-only here, so Nix asks its daemon.
        NIX_REMOTE = "daemon";
      };
      serviceConfig = import ./hardening.nix // {
        Type = "notify";
        ExecStart = lib.concatStringsSep " " ([ "${cfg.package}/bin/orleans-cache" "queue" "run" ] ++ map quoted (pushing.arguments cfg));
        LoadCredential = [ "token:${cfg.tokenFile}" ];
        StateDirectory = "orleans-cache-queue";
        StateDirectoryMode = "0700";
        # A watcher never ends, and a daemon that ended with nothing left to do is started by its socket.
        Restart = if cfg.watchStore then "always" else "on-failure";
        RestartSec = 5;
        TimeoutStopSec = 60;
        Nice = 5;
      };
    };

    systemd.sockets.orleans-cache-queue = {
      description = "Socket of the queue of OrleansCache";
      wantedBy = [ "sockets.target" ];
      socketConfig = {
        ListenStream = "${folder}/queue.sock";
        SocketMode = "0600";
        DirectoryMode = "0700";
        Backlog = 512;
      };
    };

    systemd.timers.orleans-cache-queue = {
      description = "The queue of OrleansCache looks for builds that no hook has told";
      wantedBy = [ "timers.target" ];
      timerConfig.OnUnitInactiveSec = "15min";
    };
  };
}
