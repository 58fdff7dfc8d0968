final: _: {
  orleans-cache = final.callPackage ./client.nix { };
  orleans-cache-server = final.callPackage ./server.nix { };
}
