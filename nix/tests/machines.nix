# For who has nixpkgs: a server, a builder whose hook pushes, and a reader, as virtual machines. Untried by the authors, who have none.
#
#   nix-build nix/tests/machines.nix
{
  pkgs ? (import <nixpkgs> { }).extend (import ../overlay.nix),
}:
let
  modules = (import ../modules).default;
in
pkgs.testers.nixosTest {
  name = "orleans-cache";

  nodes.server = {
    imports = [ modules ];
    services.orleans-cache = {
      enable = true;
      listen = "0.0.0.0:5751";
      publicUrl = "http://server:5751";
      openFirewall = true;
    };
  };

  nodes.builder = {
    imports = [ modules ];
    services.orleans-cache.push = {
      enable = true;
      url = "http://server:5751";
      tokenFile = "/etc/orleans-cache-token";
    };
    nix.settings.substituters = pkgs.lib.mkForce [ ];
  };

  nodes.reader = {
    nix.settings.substituters = pkgs.lib.mkForce [ ];
  };

  testScript = ''
    server.wait_for_unit("orleans-cache-server.service")
    server.wait_for_open_port(5751)
    token = server.succeed("cat /var/lib/orleans-cache/token").strip()
    key = server.succeed("cat /var/lib/orleans-cache/key.pub").strip()

    builder.wait_for_unit("multi-user.target")
    builder.succeed(f"install -m 600 /dev/null /etc/orleans-cache-token; echo {token} >/etc/orleans-cache-token")
    builder.succeed("systemctl restart orleans-cache-queue.service")
    built = builder.succeed(
        "nix-build --no-out-link -E 'derivation { name = \"app\"; system = builtins.currentSystem; builder = \"/bin/sh\";"
        " args = [ \"-c\" \"echo built > $out\" ]; }'"
    ).strip()
    builder.succeed("ORLEANS_CACHE_QUEUE=/var/lib/orleans-cache-queue orleans-cache queue flush --wait")

    reader.succeed(f"nix-store --realise {built} --option substituters http://server:5751 --option trusted-public-keys {key}")
    assert reader.succeed(f"cat {built}") == "built\n"
  '';
}
