using OrleansCache.Cli.Store;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>One NAR to upload or, without a grant, paths of which only the listing is wanted.</summary>
/// <param name="Paths">All paths with this NAR; the first is read.</param>
internal sealed record UploadJob(UploadGrant? Grant, PathInfo Info, IReadOnlyList<StorePathHash> Paths)
{
    /// <summary>Bytes to read, for the order and the progress.</summary>
    public long Bytes => Grant is null ? 0 : Info.NarSize;
}
