# Evaluates the modules without nixpkgs: by its library, and by stand-ins for the options of NixOS that they set.
# What comes out is the units' texts and what else was set.
#
#   nix-instantiate --eval --strict --json nix/tests/evaluate.nix --arg library /path/to/nixpkgs/lib --arg configuration ./example.nix
#
# With --arg darwin true the configuration is nix-darwin's, and what comes out are the settings of launchd.
# An option that is neither a module's nor one of the stand-ins is an error, as is a setting of another type.
{ library, configuration, programs ? "/run/current-system/sw", darwin ? false }:
let
  lib = import library;
  inherit (lib) mkOption types;

  program = name: folder: { type = "derivation"; inherit name; outPath = folder; };
  pkgs = {
    writeText = builtins.toFile;
    util-linux = program "util-linux" "/usr";
    postgresql = program "postgresql" "/usr/lib/postgresql";
    orleans-cache = program "orleans-cache" programs;
    orleans-cache-server = program "orleans-cache-server" programs;
  };

  any = mkOption { type = types.attrsOf types.anything; default = { }; };
  list = mkOption { type = types.listOf types.anything; default = [ ]; };
  text = mkOption { type = types.str; default = ""; };
  flag = mkOption { type = types.bool; default = false; };
  # Of systemd.services, sockets and timers: their common part, and their own section.
  unit = own: mkOption {
    default = { };
    type = types.attrsOf (types.submodule {
      options = { description = text; wantedBy = list; wants = list; requires = list; after = list; unitConfig = any; } // own;
    });
  };

  standIns.options = {
    assertions = list;
    environment.systemPackages = list;
    launchd.daemons = mkOption { default = { }; type = types.attrsOf (types.submodule { options.serviceConfig = any; }); };
    networking.firewall.allowedTCPPorts = mkOption { type = types.listOf types.port; default = [ ]; };
    nix.package = mkOption { type = types.package; default = program "nix" "/usr"; };
    nix.settings = mkOption {
      default = { };
      type = types.submodule {
        freeformType = types.attrsOf types.anything;
        options = { substituters = list; trusted-public-keys = list; };
      };
    };
    services.nginx = {
      enable = flag;
      virtualHosts = mkOption {
        default = { };
        type = types.attrsOf (types.submodule {
          options = {
            enableACME = flag;
            forceSSL = flag;
            locations = mkOption {
              default = { };
              type = types.attrsOf (types.submodule { options = { proxyPass = text; extraConfig = text; }; });
            };
          };
        });
      };
    };
    systemd.services = unit {
      path = list;
      restartIfChanged = mkOption { type = types.bool; default = true; };
      environment = mkOption { type = types.attrsOf types.str; default = { }; };
      serviceConfig = any;
    };
    systemd.sockets = unit { socketConfig = any; };
    systemd.timers = unit { timerConfig = any; };
    users.groups = any;
    users.users = any;
  };

  config = (lib.evalModules {
    modules = [ standIns (if darwin then ../modules/darwin.nix else (import ../modules).default) configuration ];
    specialArgs = { inherit pkgs; };
  }).config;

  # As NixOS writes units.
  line = name: value:
    if lib.isList value then lib.concatMapStrings (line name) value
    else "${name}=${if lib.isBool value then lib.boolToString value else toString value}\n";
  section = name: settings: "[${name}]\n" + lib.concatStrings (lib.mapAttrsToList line settings) + "\n";
  file = kind: own: name: unit: lib.nameValuePair "${name}.${kind}" (
    section "Unit" ({
      Description = unit.description;
      Wants = lib.concatStringsSep " " unit.wants;
      Requires = lib.concatStringsSep " " unit.requires;
      After = lib.concatStringsSep " " unit.after;
    } // unit.unitConfig)
    + own unit
    + section "Install" { WantedBy = lib.concatStringsSep " " unit.wantedBy; }
  );
  environment = unit: unit.environment // { PATH = lib.concatMapStringsSep ":" (p: "${p}/bin") (unit.path ++ [ "/usr" "" ]); };
  failed = lib.filter (a: !a.assertion) config.assertions;
in
if failed != [ ] then throw (lib.concatMapStringsSep "\n" (a: a.message) failed)
else {
  units =
    lib.mapAttrs' (file "service" (unit: section "Service" (unit.serviceConfig // {
      Environment = lib.mapAttrsToList (name: value: builtins.toJSON "${name}=${value}") (environment unit);
    }))) config.systemd.services
    // lib.mapAttrs' (file "socket" (unit: section "Socket" unit.socketConfig)) config.systemd.sockets
    // lib.mapAttrs' (file "timer" (unit: section "Timer" unit.timerConfig)) config.systemd.timers;
  daemons = lib.mapAttrs (name: daemon: daemon.serviceConfig) config.launchd.daemons;
  nix = config.nix.settings;
  ports = config.networking.firewall.allowedTCPPorts;
  hosts = config.services.nginx.virtualHosts;
  users = lib.attrNames config.users.users;
}
