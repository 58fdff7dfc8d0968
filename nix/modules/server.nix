# services.orleans-cache: the server, with a private PostgreSQL and a directory, or with a PostgreSQL and an S3.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkEnableOption mkIf mkOption types;
  cfg = config.services.orleans-cache;
  unit = "orleans-cache-server";
  credentials = "/run/credentials/${unit}.service";

  setting = types.oneOf [ types.bool types.int types.str (types.listOf types.str) ];
  optional = description: mkOption { type = types.nullOr types.str; default = null; inherit description; };

  # --gc-schedule as ORLEANS_CACHE_GC_SCHEDULE; the server's own token file has another name than the client's.
  variable = option:
    let name = if option == "token-file" then "server-token-file" else option;
    in "ORLEANS_CACHE_" + lib.toUpper (builtins.replaceStrings [ "-" ] [ "_" ] name);
  # systemd reads percent signs as specifiers.
  value = v:
    if lib.isBool v then lib.boolToString v
    else if lib.isList v then lib.concatStringsSep " " v
    else builtins.replaceStrings [ "%" ] [ "%%" ] (toString v);

  # Files that only root can read come as credentials, by their index.
  files = {
    "token-file" = lib.optional (cfg.tokenFile != null) cfg.tokenFile;
    "sign-key" = cfg.signKeyFiles;
    "tls-cert" = lib.optional (cfg.tls.certFile != null) cfg.tls.certFile;
    "tls-key" = lib.optional (cfg.tls.keyFile != null) cfg.tls.keyFile;
    "s3-access-key-file" = lib.optional (cfg.s3.accessKeyFile != null) cfg.s3.accessKeyFile;
    "s3-secret-key-file" = lib.optional (cfg.s3.secretKeyFile != null) cfg.s3.secretKeyFile;
    "s3-upload-access-key-file" = lib.optional (cfg.s3.uploadAccessKeyFile != null) cfg.s3.uploadAccessKeyFile;
    "s3-upload-secret-key-file" = lib.optional (cfg.s3.uploadSecretKeyFile != null) cfg.s3.uploadSecretKeyFile;
    "s3-read-access-key-file" = lib.optional (cfg.s3.readAccessKeyFile != null) cfg.s3.readAccessKeyFile;
    "s3-read-secret-key-file" = lib.optional (cfg.s3.readSecretKeyFile != null) cfg.s3.readSecretKeyFile;
  };
  named = option: lib.imap0 (i: file: { name = "${option}-${toString i}"; inherit file; });
  cacheKeys = lib.mapAttrs (name: cache: named "cache-${name}-key" cache.keyFiles) cfg.caches;

  cachesFile = pkgs.writeText "orleans-cache-caches.json" (builtins.toJSON {
    caches = lib.mapAttrsToList (name: cache:
      { inherit name; }
      // cache.settings
      // lib.optionalAttrs (cache.keyFiles != [ ]) { keys = map (key: "${credentials}/${key.name}") cacheKeys.${name}; }) cfg.caches;
  });

  port = lib.toInt (lib.last (lib.splitString ":" cfg.listen));
in
{
  options.services.orleans-cache = {
    enable = mkEnableOption "OrleansCache, a write path for Nix binary caches";
    package = mkOption {
      type = types.package;
      default = pkgs.orleans-cache-server or (pkgs.callPackage ../server.nix { });
      defaultText = lib.literalExpression "pkgs.orleans-cache-server";
      description = "The server.";
    };
    postgresql = mkOption {
      type = types.package;
      default = pkgs.postgresql;
      defaultText = lib.literalExpression "pkgs.postgresql";
      description = "Whose programs run the private PostgreSQL. A data directory needs its own major version.";
    };
    listen = mkOption { type = types.str; default = "127.0.0.1:5751"; description = "Address and port."; };
    publicUrl = optional "What clients reach the server under.";
    openFirewall = mkOption { type = types.bool; default = false; description = "Let others reach the port."; };

    postgres = optional "A PostgreSQL that is there already, without its password; null: a private one.";
    environmentFile = optional "A file with variables that hold secrets, such as ORLEANS_CACHE_POSTGRES with a password.";
    tokenFile = optional "A file of tokens that may do everything; null: one is made in the data directory.";
    signKeyFiles = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Keys of `nix key generate-secret`; none: one is made in the data directory.";
    };
    tls = {
      certFile = optional "Serve HTTPS with this certificate.";
      keyFile = optional "Its key.";
    };
    s3 = {
      bucket = optional "Keep the objects in this bucket; null: in the data directory.";
      endpoint = optional "The S3 server; null: Amazon's of the region.";
      uploadEndpoint = optional "The same S3 server as clients reach it.";
      region = optional "The region.";
      prefix = optional "Begins every key.";
      accessKeyFile = optional "A file with the access key.";
      secretKeyFile = optional "A file with its secret.";
      uploadAccessKeyFile = optional "A file with the access key that signs the URLs that clients upload to.";
      uploadSecretKeyFile = optional "A file with its secret.";
      readAccessKeyFile = optional "A file with the access key that signs the URLs that readers get NARs from.";
      readSecretKeyFile = optional "A file with its secret.";
    };
    gc = {
      schedule = optional "Collect garbage by this cron expression, in UTC.";
      olderThan = optional "How long a closure is kept that nobody pushes.";
      grace = optional "How long a condemned path can still be read.";
    };
    caches = mkOption {
      default = { };
      description = "Caches beside the default one.";
      type = types.attrsOf (types.submodule {
        options = {
          settings = mkOption {
            type = types.attrsOf types.anything;
            default = { };
            description = "As in the file of --caches: private, gcOlderThan, …";
          };
          keyFiles = mkOption { type = types.listOf types.str; default = [ ]; description = "Its keys; none: the catalog keeps one."; };
        };
      });
    };
    access = mkOption {
      type = types.nullOr (types.attrsOf types.anything);
      default = null;
      description = "Issuers of OIDC tokens and the rules by which jobs are let in, as in the file of --access.";
    };
    settings = mkOption {
      type = types.attrsOf setting;
      default = { };
      example = { quota-stored-gib = 500; };
      description = "Any other option of the server, by its name without dashes before it.";
    };
    nginx = {
      enable = mkEnableOption "a virtual host of nginx before the server";
      hostName = mkOption { type = types.str; description = "Its name."; };
      enableACME = mkOption { type = types.bool; default = true; description = "Have it a certificate by ACME, and HTTPS alone."; };
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = (cfg.s3.accessKeyFile == null) == (cfg.s3.secretKeyFile == null);
        message = "services.orleans-cache.s3: accessKeyFile and secretKeyFile belong together.";
      }
      {
        assertion = (cfg.tls.certFile == null) == (cfg.tls.keyFile == null);
        message = "services.orleans-cache.tls: certFile and keyFile belong together.";
      }
    ];

    services.orleans-cache = {
      publicUrl = mkIf cfg.nginx.enable (lib.mkDefault "${if cfg.nginx.enableACME then "https" else "http"}://${cfg.nginx.hostName}");
      settings = lib.mkMerge [
        (lib.filterAttrs (_: v: v != null) {
          inherit (cfg) listen postgres;
          public-url = cfg.publicUrl;
          s3-bucket = cfg.s3.bucket;
          s3-endpoint = cfg.s3.endpoint;
          s3-upload-endpoint = cfg.s3.uploadEndpoint;
          s3-region = cfg.s3.region;
          s3-prefix = cfg.s3.prefix;
          gc-schedule = cfg.gc.schedule;
          gc-older-than = cfg.gc.olderThan;
          gc-grace = cfg.gc.grace;
        })
        (mkIf (cfg.caches != { }) { caches = toString cachesFile; })
        (mkIf (cfg.access != null) { access = toString (pkgs.writeText "orleans-cache-access.json" (builtins.toJSON cfg.access)); })
        (mkIf cfg.nginx.enable { proxy-address = "127.0.0.1/32"; })
      ];
    };

    users.users.orleans-cache = {
      isSystemUser = true;
      group = "orleans-cache";
      home = "/var/lib/orleans-cache";
    };
    users.groups.orleans-cache = { };

    systemd.services.${unit} = {
      description = "OrleansCache, a Nix binary cache and its write path";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" "postgresql.service" ];
      # PostgreSQL or the bucket may be away for hours: the unit tries again until they are back.
      unitConfig.StartLimitIntervalSec = 0;
      path = [ pkgs.util-linux ];
      environment =
        { ORLEANS_CACHE_DATA = "/var/lib/orleans-cache"; }
        // lib.optionalAttrs (cfg.postgres == null) { ORLEANS_CACHE_POSTGRES_BIN = "${cfg.postgresql}/bin"; }
        // lib.mapAttrs' (option: v: lib.nameValuePair (variable option) (value v)) cfg.settings
        // lib.mapAttrs'
          (option: some: lib.nameValuePair (variable option) (lib.concatMapStringsSep " " (c: "%d/${c.name}") (named option some)))
          (lib.filterAttrs (_: some: some != [ ]) files);
      serviceConfig = import ./hardening.nix // {
        Type = "notify";
        ExecStart = "${cfg.package}/bin/orleans-cache-server";
        EnvironmentFile = lib.optional (cfg.environmentFile != null) cfg.environmentFile;
        LoadCredential = map (c: "${c.name}:${c.file}")
          (lib.concatLists (lib.mapAttrsToList named files) ++ lib.concatLists (lib.attrValues cacheKeys));
        User = "orleans-cache";
        Group = "orleans-cache";
        StateDirectory = "orleans-cache";
        StateDirectoryMode = "0700";
        Restart = "always";
        RestartSec = 5;
        WatchdogSec = 60;
        # The private PostgreSQL is stopped by the server, after the last request: only what is left at the end is killed.
        KillMode = "mixed";
        TimeoutStopSec = 120;
        # The first start makes a database.
        TimeoutStartSec = 180;
        LimitNOFILE = 65536;
      };
    };

    networking.firewall.allowedTCPPorts = lib.optional cfg.openFirewall port ++ lib.optionals cfg.nginx.enable [ 80 443 ];

    services.nginx = mkIf cfg.nginx.enable {
      enable = true;
      virtualHosts.${cfg.nginx.hostName} = {
        enableACME = cfg.nginx.enableACME;
        forceSSL = cfg.nginx.enableACME;
        locations."/" = {
          proxyPass = "http://127.0.0.1:${toString port}";
          # Uploads of any size pass through as they come, and a question may wait for another push.
          extraConfig = ''
            client_max_body_size 0;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_http_version 1.1;
            proxy_read_timeout 300s;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
          '';
        };
      };
    };
  };
}
