using OrleansCache.Cli.Terminal;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>The <c>.ls</c> of each path that arrives: a convenience for readers, so nothing fails for want of it.</summary>
internal static class Listings
{
    private const int MaxBytes = 16 << 20;

    /// <summary>Of a path whose NAR nobody has to read.</summary>
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
        // A reader would miss the files whose names JSON cannot hold; without a listing it reads the NAR.
        if (!listing.IsExact)
            return;
        var content = Zstd.Compress(listing.Json);
        if (content.Length > MaxBytes)
            return;
        foreach (var path in job.Paths)
            reporter.Add(new PathListing { Path = path, Content = content });
    }
}
