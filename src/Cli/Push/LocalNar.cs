using OrleansCache.Cli.Common;
using OrleansCache.Cli.Store;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>Checks paths of the local store.</summary>
internal static class LocalNar
{
    public static CliException Damaged(string path, string why) => new(ExitCodes.Failed,
        $"{path} is not what Nix's database says: {why}. The local store is damaged; 'nix-store --verify --check-contents --repair' " +
            "mends it. Nothing of this path was published.");

    public static CliException Unreadable(string path, Exception why) =>
        new(ExitCodes.Failed, $"{path} cannot be read: {why.Message}", why);

    /// <exception cref="CliException">The NAR has another hash than Nix has recorded.</exception>
    public static void RequireHash(string path, Sha256Hash hash, Sha256Hash recorded)
    {
        if (hash != recorded)
            throw Damaged(path, $"its NAR has the hash {hash.ToSri()}, not {recorded.ToSri()}");
    }

    /// <summary>The path with its size, which Nix has not recorded for every path.</summary>
    /// <exception cref="CliException">Its files cannot be read.</exception>
    public static PathInfo Sized(PathInfo info, NixPlaces places, CancellationToken cancellationToken)
    {
        if (info.NarSize > 0)
            return info;
        var path = Path.Combine(places.Store, info.Path.BaseName);
        try
        {
            return info with { NarSize = NarWriter.Measure(path, new NarWriteOptions { CaseHack = places.CaseHack }, cancellationToken) };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, e);
        }
    }

    /// <summary>
    /// Reads a path whose NAR a server has refused by its hash, to find whether it is damaged here or was damaged on its way.
    /// </summary>
    /// <exception cref="CliException">The path is damaged here.</exception>
    public static void Check(PathInfo info, PushOptions options, CancellationToken cancellationToken)
    {
        var path = Path.Combine(options.StoreDir, info.Path.BaseName);
        try
        {
            using var nar = new HashingStream();
            NarWriter.Write(path, nar, new NarWriteOptions { CaseHack = options.CaseHack }, cancellationToken: cancellationToken);
            RequireHash(path, nar.CurrentHash(), info.NarHash);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, e);
        }
    }
}
