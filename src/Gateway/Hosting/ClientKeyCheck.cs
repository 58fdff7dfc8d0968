using System.Diagnostics;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.S3;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// Checks what the keys permit that sign URLs for uploads and for readers, besides what they exist for. It asks the bucket at the start,
/// and again when an operator asks, at most once a minute.
/// </summary>
/// <param name="store">Null: the objects lie in a directory, and the server itself takes uploads and sends NARs.</param>
/// <param name="settings">How the bucket was given.</param>
internal sealed partial class ClientKeyCheck(S3ObjectStore? store, S3Settings? settings) : IDisposable
{
    private const string UploadOptions = "--s3-upload-access-key-file and --s3-upload-secret-key-file";
    private const string ReadOptions = "--s3-read-access-key-file and --s3-read-secret-key-file";
    private static readonly TimeSpan Believed = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _one = new(1);
    private IReadOnlyList<Doubt> _doubts = []; // This and the next change under _one only.
    private long _asked;

    private string Nars => $"{settings!.Bucket}/{(settings.Prefix.Length == 0 ? "" : settings.Prefix.TrimEnd('/') + "/")}nar/*";

    /// <summary>Logs what is doubtful.</summary>
    /// <exception cref="StartupException">With such a key no upload can succeed, or no read.</exception>
    public async Task AtStartAsync(ILogger log, CancellationToken cancellationToken)
    {
        var doubts = await AskLatelyAsync(cancellationToken);
        if (doubts.FirstOrDefault(d => d.IsFatal) is { } fatal)
            throw new StartupException(fatal.Text);
        foreach (var doubt in doubts)
            LogDoubt(log, doubt.Text);
    }

    /// <summary>A sentence each; empty when the URLs allow what they are for and nothing else.</summary>
    public async Task<IReadOnlyList<string>> FindDoubtsAsync(CancellationToken cancellationToken) =>
        [.. (await AskLatelyAsync(cancellationToken)).Select(d => d.Text)];

    public void Dispose() => _one.Dispose();

    private async Task<IReadOnlyList<Doubt>> AskLatelyAsync(CancellationToken cancellationToken)
    {
        if (store is null)
            return [];
        // All who wait share one probe: each writes, and whoever may push may ask.
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_asked == 0 || Stopwatch.GetElapsedTime(_asked) >= Believed)
            {
                _doubts =
                [
                    .. await AskAsync("upload", async () => Compare(await store.ProbeUploadKeyAsync(cancellationToken))),
                    .. await AskAsync("read", async () => Compare(await store.ProbeReadKeyAsync(cancellationToken))),
                ];
                _asked = Stopwatch.GetTimestamp();
            }

            return _doubts;
        }
        finally
        {
            _one.Release();
        }
    }

    private async Task<IReadOnlyList<Doubt>> AskAsync(string purpose, Func<Task<Doubt?>> ask)
    {
        try
        {
            return await ask() is { } doubt ? [doubt] : [];
        }
        catch (ObjectStoreException e)
        {
            return [new Doubt($"What the {purpose} key may do in bucket {settings!.Bucket} could not be found out: {e.Message}")];
        }
    }

    private Doubt? Compare(UploadKeyRights? rights)
    {
        var bucket = settings!.Bucket;
        if (rights is null)
            return new Doubt($"Upload URLs are signed with the server's own key, so their holders act with its rights on bucket {bucket}: " +
                $"with {UploadOptions} give a key that may only put {Nars}.");
        if (rights.RefusedPut is { } refusal)
            return new Doubt($"The key of {UploadOptions} may not put {Nars} (the store says {refusal}), so no upload can succeed: allow " +
                "it s3:PutObject there.", IsFatal: true);
        if (rights.HidesFromServer)
            return new Doubt($"The server's key may not read what the key of {UploadOptions} puts into bucket {bucket}, so no upload can " +
                "succeed: allow it s3:* on the bucket and all in it, by the bucket's policy.", IsFatal: true);
        return Excess([(rights.Gets, "get"), (rights.Lists, "list"), (rights.Deletes, "delete"),
            (rights.PutsElsewhere, "put outside nar/")]) is { Length: > 0 } excess
            ? new Doubt($"The upload key of bucket {bucket} may also {excess}, and so may each holder of an upload URL: allow it " +
                $"s3:PutObject on {Nars} alone, and deny it s3:Get*, s3:List* and s3:Delete*.") : null;
    }

    private Doubt? Compare(ReadKeyRights? rights)
    {
        if (rights is null)
            return null;
        if (rights.RefusedGet is { } refusal)
            return new Doubt($"The key of {ReadOptions} may not get {Nars} (the store says {refusal}), so no reader would get a NAR: allow " +
                "it s3:GetObject there, or leave the options out to send NARs through this server.", IsFatal: true);
        return Excess([(rights.GetsElsewhere, "get outside nar/"), (rights.Lists, "list"), (rights.Puts, "put"),
            (rights.Deletes, "delete")]) is { Length: > 0 } excess
            ? new Doubt($"The read key of bucket {settings!.Bucket} may also {excess}, and so may each reader whom a URL was given: allow it " +
                $"s3:GetObject on {Nars} alone.") : null;
    }

    private static string Excess((bool May, string What)[] rights) => string.Join(", ", rights.Where(r => r.May).Select(r => r.What));

    [LoggerMessage(LogLevel.Warning, "{Doubt}")]
    private static partial void LogDoubt(ILogger log, string doubt);

    /// <param name="IsFatal">The server must not start.</param>
    private sealed record Doubt(string Text, bool IsFatal = false);
}
