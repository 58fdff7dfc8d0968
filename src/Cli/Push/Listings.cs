using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>Sends the <c>.ls</c> of each path that arrives. It is a convenience for readers, so a missing one fails nothing.</summary>
internal static class Listings
{
    private const int MaxBytes = 16 << 20;

    public static void Report(UploadJob job, NarListing? listing, Reporter reporter)
    {
        // JSON cannot hold some of the names. A reader of the listing would miss those files; without one it reads the NAR.
        if (listing is not { IsExact: true })
            return;
        var content = Zstd.Compress(listing.Json);
        if (content.Length > MaxBytes)
            return;
        foreach (var path in job.Paths)
            reporter.Add(new PathListing { Path = path, Content = content });
    }
}
