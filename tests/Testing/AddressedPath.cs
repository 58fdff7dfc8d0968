using OrleansCache.Nix;

namespace OrleansCache.Testing;

/// <summary>Paths with content addresses.</summary>
internal static class AddressedPath
{
    /// <summary>An address from which nobody here computes a path, so that any path may have it.</summary>
    public static ContentAddress Opaque { get; } = ContentAddress.Parse("fixed:git:sha1:993998wwkrzrcmpp0slxpa0b0cjkc0ff");

    /// <summary>The address of a path whose NAR has this hash.</summary>
    public static ContentAddress OfNar(Sha256Hash nar) => ContentAddress.Parse($"fixed:r:sha256:{nar.ToNix32()}");

    /// <summary>The store path that follows from an address.</summary>
    public static StorePath Of(string name, ContentAddress address, params StorePath[] references) =>
        new(ContentAddressedPath.HashOf(address, references, false, name) ?? throw new ArgumentException($"Nix has no {address} here"), name);
}
