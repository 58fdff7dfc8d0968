using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>
/// The keys by which niks3's clients name their uploads. Only those of narinfos, listings, logs and realisations are also keys of ours.
/// </summary>
internal static class Keys
{
    private const string NarPrefix = "nar/";
    private const string NarSuffix = ".nar.zst";

    public static string NarInfo(StorePathHash path) => $"{path}.narinfo";

    public static string Listing(StorePathHash path) => $"{path}.ls";

    /// <summary>The client's key of a NAR has the NAR's own hash, not that of the compressed file.</summary>
    public static string Nar(Sha256Hash nar) => $"{NarPrefix}{nar.ToNix32()}{NarSuffix}";

    public static bool TryNarInfo(string? key, out StorePathHash path) => TryPath(key, ".narinfo", out path);

    public static bool TryListing(string? key, out StorePathHash path) => TryPath(key, ".ls", out path);

    /// <summary>Accepts zstd alone, which the narinfo will name.</summary>
    public static bool TryNar(string? key, out Sha256Hash nar)
    {
        nar = default;
        return key is not null && key.Length == NarPrefix.Length + 52 + NarSuffix.Length
            && key.StartsWith(NarPrefix, StringComparison.Ordinal) && key.EndsWith(NarSuffix, StringComparison.Ordinal)
            && Sha256Hash.TryParse($"sha256:{key.AsSpan(NarPrefix.Length, 52)}", out nar);
    }

    public static bool TryLog(string? key, out ObjectKey log)
    {
        log = default;
        return key is not null && key.StartsWith("log/", StringComparison.Ordinal) && StorePath.TryParse(key.AsSpan(4), out var derivation)
            && derivation.IsDerivation && key == $"log/{derivation.BaseName}"
            && ObjectKey.TryParse(key, out log);
    }

    /// <summary><c>realisations/sha256:hex!output.doi</c>.</summary>
    public static bool TryRealisation(string? key, out ObjectKey realisation)
    {
        realisation = default;
        if (key is null || !key.StartsWith("realisations/", StringComparison.Ordinal) || !key.EndsWith(".doi", StringComparison.Ordinal))
            return false;
        if (!RealisationId.TryParse(key["realisations/".Length..^".doi".Length], out var id) || id.Derivation is not null)
            return false;
        realisation = ObjectKey.Realisation(id);
        return true;
    }

    /// <summary>A key of anything that clients upload.</summary>
    public static bool IsKey(string? key) => TryNarInfo(key, out _) || TryListing(key, out _) || TryNar(key, out _) || TryLog(key, out _)
        || TryRealisation(key, out _);

    private static bool TryPath(string? key, string suffix, out StorePathHash path)
    {
        path = default;
        return key is not null && key.EndsWith(suffix, StringComparison.Ordinal) && StorePathHash.TryParse(key[..^suffix.Length], out path);
    }
}
