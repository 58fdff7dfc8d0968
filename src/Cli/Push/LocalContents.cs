using OrleansCache.Cli.Store;
using OrleansCache.Cli.Terminal;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>The local store, whose NARs are made from its files. A damaged path ends the push: the store needs repair.</summary>
internal sealed class LocalContents(PushOptions options, PushProgress progress) : INarContents
{
    public (UploadedFile File, NarListing? Listing) Encode(UploadJob job, NarEncoder encoder, NarOutput output, int workers,
        CancellationToken cancellationToken)
    {
        var path = PathOf(job.Info);
        try
        {
            var nar = encoder.Begin(job.Info.NarSize, options.Level, workers, output, hashes: !job.Grant!.ServerHashes);
            var listing = new NarListingBuilder();
            var summary = NarWriter.Write(path, encoder, nar, listing, cancellationToken);
            if (summary.IsTooDeepForNix)
                progress.Note($"warning: {path} has directories {summary.MaxDepth} levels deep; today's Nix refuses to fetch more than " +
                    $"{NarFormat.NixMaxDepth}");
            if (encoder.Count != job.Info.NarSize)
                throw LocalNar.Damaged(path, $"its NAR has {encoder.Count} bytes, not {job.Info.NarSize}");
            var (hash, file) = encoder.End();
            if (hash is { } read)
                LocalNar.RequireHash(path, read, job.Info.NarHash);
            return (file, listing.Build(summary));
        }
        catch (Exception e)
        {
            encoder.GiveUp();
            if (encoder.Count > job.Info.NarSize && e is InvalidDataException)
                throw LocalNar.Damaged(path, $"its NAR has more than {job.Info.NarSize} bytes");
            if (e is IOException or UnauthorizedAccessException)
                throw LocalNar.Unreadable(path, e);
            throw;
        }
    }

    // It is a convenience for readers, so a missing one fails nothing.
    public NarListing? List(UploadJob job, CancellationToken cancellationToken)
    {
        try
        {
            return NarListing.FromFileSystem(PathOf(job.Info), new NarWriteOptions { CaseHack = options.CaseHack }, cancellationToken);
        }
        catch (IOException e)
        {
            progress.Note($"the listing of {job.Info.Path.BaseName} is not sent: {e.Message}");
            return null;
        }
    }

    public void CheckRefused(PathInfo info, CancellationToken cancellationToken) => LocalNar.Check(info, options, cancellationToken);

    public byte[] ReadLog(string file, CancellationToken cancellationToken) => BuildLogs.Read(file);

    private string PathOf(PathInfo info) => Path.Combine(options.StoreDir, info.Path.BaseName);
}
