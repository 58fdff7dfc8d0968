using OrleansCache.Cli.Store;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <summary>What a source says of one path, without what only the signature needs: a cache has very many.</summary>
/// <param name="Info">As a push declares it.</param>
/// <param name="Url">Where its NAR is, relative to the source.</param>
/// <param name="Compression">As narinfos call it.</param>
/// <param name="FileSize">Bytes of that file, where the source tells.</param>
/// <param name="ByAddress">No key vouches for it, but its content address: its NAR must have it.</param>
internal sealed record SourcePath(PathInfo Info, string Url, string Compression, long? FileSize, bool ByAddress)
{
    /// <summary>Bytes to read, as far as they are known.</summary>
    public long Bytes => FileSize ?? Info.NarSize;

    public static SourcePath Of(NarInfo info, bool byAddress) => new(new PathInfo
    {
        Path = info.StorePath,
        NarHash = info.NarHash,
        NarSize = info.NarSize,
        References = [.. info.References.Select(reference => reference.Hash)],
        Deriver = info.Deriver,
        Ca = info.Ca?.ToString(),
        Signatures = info.Signatures,
    }, info.Url, string.Intern(info.Compression), info.FileSize, byAddress);
}
