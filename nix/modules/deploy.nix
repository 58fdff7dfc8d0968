# services.orleans-cache.deploy: this machine follows pins: it gets what they lead to, and goes back when that does not work.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkEnableOption mkIf mkOption types;
  cfg = config.services.orleans-cache.deploy;
  # No specifier of systemd.
  plain = builtins.replaceStrings [ "%" ] [ "%%" ];
  given = name: value: lib.optionalAttrs (value != null) { "ORLEANS_CACHE_DEPLOY_${name}" = plain value; };
  text = description: mkOption { type = types.nullOr types.str; default = null; inherit description; };

  pinOptions.options = {
    profile = text "The profile that gets a generation, such as /nix/var/nix/profiles/system; null: one of the pin's own.";
    switch = text "The command that takes a path over, such as `bin/switch-to-configuration switch`; null: none does.";
    health = text "The command that exits with 0 once what was switched to works; null: it is taken to work.";
    healthTimeout = mkOption { type = types.str; default = "1m"; description = "How long the health command may fail."; };
    interval = mkOption { type = types.str; default = "1m"; description = "How often the pin is looked at."; };
    path = mkOption { type = types.listOf types.package; default = [ ]; description = "Packages whose programs the commands use."; };
  };

  service = pin: own: lib.nameValuePair "orleans-cache-deploy-${pin}" {
    description = "OrleansCache: follows the pin ${pin}";
    wantedBy = [ "multi-user.target" ];
    wants = [ "network-online.target" ];
    after = [ "network-online.target" "nix-daemon.socket" ];
    # A switch that this agent runs would wait for its end, and it for that of the switch.
    restartIfChanged = false;
    unitConfig.StartLimitIntervalSec = 0;
    path = [ config.nix.package ] ++ own.path;
    environment = {
      ORLEANS_CACHE_URL = cfg.url;
      ORLEANS_CACHE_NAME = cfg.cache;
      HOME = "/root";
    }
    // lib.optionalAttrs (cfg.tokenFile != null) { ORLEANS_CACHE_TOKEN_FILE = "%d/token"; }
    // given "PROFILE" own.profile
    // given "SWITCH" own.switch
    // given "HEALTH" own.health
    // given "HEALTH_TIMEOUT" own.healthTimeout
    // given "MACHINE" cfg.machine;
    serviceConfig = {
      Type = "notify";
      ExecStart = "${cfg.package}/bin/orleans-cache deploy ${pin} --follow --interval ${own.interval}";
      # The agent alone is told to end: it lets a switch under way end first, or go back.
      KillMode = "mixed";
      TimeoutStopSec = "15min";
      Restart = "always";
      RestartSec = 5;
    }
    // lib.optionalAttrs (cfg.tokenFile != null) { LoadCredential = [ "token:${cfg.tokenFile}" ]; };
  };
in
{
  options.services.orleans-cache.deploy = {
    enable = mkEnableOption "deploying from pins of an OrleansCache server";
    package = mkOption {
      type = types.package;
      default = pkgs.orleans-cache or (pkgs.callPackage ../client.nix { });
      defaultText = lib.literalExpression "pkgs.orleans-cache";
      description = "The client.";
    };
    url = mkOption { type = types.str; description = "The server. Nix has to read from it, too: services.orleans-cache.reader."; };
    cache = mkOption { type = types.str; default = "default"; description = "The cache."; };
    tokenFile = text "A file with a token of scope deploy, which root alone need read; null: nothing is reported.";
    machine = text "The name under which this machine reports; null: its host name.";
    pins = mkOption {
      type = types.attrsOf (types.submodule pinOptions);
      default = { };
      description = "The pins that this machine follows.";
    };
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    systemd.services = lib.mapAttrs' service cfg.pins;
  };
}
