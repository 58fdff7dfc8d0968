using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Nix;

namespace OrleansCache.Core.Promotions;

/// <summary>
/// Listings, logs and realisations of what is promoted. They are small, so they pass through this process, as a client sends them. One that
/// cannot be read is left out: no closure needs it, but for realisations, which their users make anew.
/// </summary>
internal sealed class CarriedFiles(CacheRegistry caches, Promoting work)
{
    private const int MaxListing = 16 << 20;
    private const int MaxLog = 32 << 20;
    private const int MaxRealisation = 64 << 10;
    // What one report holds in memory.
    private const int MaxReport = 16 << 20;
    private const int AtOnce = 8;

    /// <summary>What a push of these paths could bring.</summary>
    public static (List<LogDeclaration> Logs, List<RealisationDeclaration> Realisations) Of(IReadOnlyList<TakenPath> paths)
    {
        var (logs, realisations) = (new List<LogDeclaration>(), new List<RealisationDeclaration>());
        foreach (var path in paths)
        {
            foreach (var key in path.Extras)
            {
                if (key.StartsWith("log/", StringComparison.Ordinal) && StorePath.TryParse(key["log/".Length..], out var drv))
                    logs.Add(new LogDeclaration { Drv = drv, Path = path.Hash });
                else if (IdOf(key) is { } id)
                    realisations.Add(new RealisationDeclaration { Id = id, Path = path.Hash });
            }
        }

        return (logs, realisations);
    }

    /// <summary>Sends those that the target lacks.</summary>
    public async Task SendAsync(PushId push, BeginPush begun, PushOpened opened, CancellationToken cancellationToken)
    {
        var paths = work.Closure.ToDictionary(p => p.Hash);
        List<(ObjectKey Key, int Max, Action<UploadReport, byte[]> Add)> files =
        [
            .. opened.Missing.Where(m => paths[m.Path].HasListing).Select(m => Listing(m.Path)),
            .. opened.MissingLogs.Select(drv => Log(drv, begun.Logs.First(l => l.Drv == drv).Path)),
            .. opened.MissingRealisations.Select(id => Realisation(id, begun.Realisations.First(r => r.Id == id).Path)),
        ];
        var (report, size) = (Empty(), 0);
        foreach (var batch in files.Chunk(AtOnce))
        {
            var contents = await Task.WhenAll(batch.Select(f => ReadAsync(f.Key, f.Max, cancellationToken)));
            foreach (var (file, content) in batch.Zip(contents))
            {
                if (content is null)
                    continue;
                file.Add(report, content);
                size += content.Length;
            }

            if (size < MaxReport)
                continue;
            await ReportAsync(push, report, cancellationToken);
            (report, size) = (Empty(), 0);
        }

        if (size > 0)
            await ReportAsync(push, report, cancellationToken);
    }

    private static (ObjectKey, int, Action<UploadReport, byte[]>) Listing(StorePathHash path) => (ObjectKey.Listing(path), MaxListing,
        (report, content) => ((List<PathListing>)report.Listings).Add(new PathListing { Path = path, Content = Packed(content) }));

    private static (ObjectKey, int, Action<UploadReport, byte[]>) Log(StorePath drv, StorePathHash path) => (ObjectKey.Log(drv), MaxLog,
        (report, content) => ((List<LogContent>)report.Logs).Add(new LogContent { Drv = drv, Path = path, Content = Packed(content) }));

    private static (ObjectKey, int, Action<UploadReport, byte[]>) Realisation(RealisationId id, StorePathHash path) =>
        (ObjectKey.Realisation(id), MaxRealisation, (report, content) => ((List<RealisationContent>)report.Realisations)
            .Add(new RealisationContent { Id = id, Path = path, Content = Encoding.UTF8.GetString(content) }));

    private static UploadReport Empty() => new()
    {
        Listings = new List<PathListing>(),
        Logs = new List<LogContent>(),
        Realisations = new List<RealisationContent>()
    };

    private Task<ReportAnswer> ReportAsync(PushId push, UploadReport report, CancellationToken cancellationToken) =>
        work.OnTargetAsync(pushes => pushes.ReportAsync(work.Target, push, report, cancellationToken), cancellationToken);

    private async Task<byte[]?> ReadAsync(ObjectKey key, int max, CancellationToken cancellationToken)
    {
        using var use = await caches.UseAsync(work.Source, cancellationToken);
        await using var body = await use.Services.Options.Store.GetAsync(key, null, cancellationToken);
        if (body is null || body.Info.Size is 0 || body.Info.Size > max)
            return null;
        var content = new byte[body.Info.Size];
        return await body.Stream.ReadAtLeastAsync(content, content.Length, throwOnEndOfStream: false, cancellationToken) == content.Length
            ? content : null;
    }

    // Stock Nix may have written it otherwise.
    private static byte[] Packed(byte[] content) => content is [0x28, 0xB5, 0x2F, 0xFD, ..] ? content : Zstd.Compress(content);

    private static RealisationId? IdOf(string key)
    {
        const string Ending = ".doi", Old = "realisations/", New = "build-trace-v2/";
        if (!key.EndsWith(Ending, StringComparison.Ordinal))
            return null;
        var text = key.StartsWith(Old, StringComparison.Ordinal) ? key[Old.Length..^Ending.Length]
            : key.StartsWith(New, StringComparison.Ordinal) ? key[New.Length..^Ending.Length].Replace('/', '^') : null;
        return RealisationId.TryParse(text, out var id) ? id : null;
    }
}
