using OrleansCache.Cli.Terminal;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>Makes the <c>.ls</c> of each path that arrives. It is a convenience for readers, so a missing one fails nothing.</summary>
internal static class Listings
{
    private const int MaxBytes = 16 << 20;

    /// <summary>Makes the listing of a path whose NAR need not be read.</summary>
    public static void ReportFromFileSystem(UploadJob job, PushOptions options, Reporter reporter, PushProgress progress)
    {
        try
        {
            Report(job, NarListing.FromFileSystem(Path.Combine(options.StoreDir, job.Info.Path.BaseName),
                new NarWriteOptions { CaseHack = options.CaseHack }), reporter);
        }
        catch (IOException e)
        {
            progress.Note($"the listing of {job.Info.Path.BaseName} is not sent: {e.Message}");
        }
    }

    public static void Report(UploadJob job, NarListing listing, Reporter reporter)
    {
        // JSON cannot hold some of the names. A reader of the listing would miss those files; without one it reads the NAR.
        if (!listing.IsExact)
            return;
        var content = Zstd.Compress(listing.Json);
        if (content.Length > MaxBytes)
            return;
        foreach (var path in job.Paths)
            reporter.Add(new PathListing { Path = path, Content = content });
    }
}
