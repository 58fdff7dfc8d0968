using System.Diagnostics;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.S3;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// Checks what an upload URL permits besides its one upload. It asks the bucket at the start, and again when an operator asks, at most once
/// a minute.
/// </summary>
/// <param name="store">Null: the objects lie in a directory, and the server itself takes the uploads.</param>
/// <param name="settings">How the bucket was given.</param>
internal sealed partial class UploadKeyCheck(S3ObjectStore? store, S3Settings? settings) : IDisposable
{
    private const string Options = "--s3-upload-access-key-file and --s3-upload-secret-key-file";
    private static readonly TimeSpan Believed = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _one = new(1);
    private UploadKeyRights? _rights; // This and the next two change under _one only.
    private IReadOnlyList<string> _doubts = [];
    private long _asked;

    /// <summary>Logs what is doubtful.</summary>
    /// <exception cref="StartupException">No upload can succeed with this key.</exception>
    public async Task AtStartAsync(ILogger log, CancellationToken cancellationToken)
    {
        var doubts = await FindDoubtsAsync(cancellationToken);
        if (_rights is { RefusedPut: not null } or { HidesFromServer: true })
            throw new StartupException(doubts[0]);
        foreach (var doubt in doubts)
            LogDoubt(log, doubt);
    }

    /// <summary>A sentence each; empty when upload URLs allow uploads and nothing else.</summary>
    public async Task<IReadOnlyList<string>> FindDoubtsAsync(CancellationToken cancellationToken)
    {
        if (store is null)
            return [];
        // All who wait share one probe: each writes, and whoever may push may ask.
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_asked == 0 || Stopwatch.GetElapsedTime(_asked) >= Believed)
            {
                _doubts = await AskAsync(store, cancellationToken);
                _asked = Stopwatch.GetTimestamp();
            }

            return _doubts;
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private async Task<string[]> AskAsync(S3ObjectStore bucket, CancellationToken cancellationToken)
    {
        try
        {
            _rights = await bucket.ProbeUploadKeyAsync(cancellationToken);
            return Compare(_rights);
        }
        catch (ObjectStoreException e)
        {
            return [$"What the upload key may do in bucket {settings!.Bucket} could not be found out: {e.Message}"];
        }
    }

    private string[] Compare(UploadKeyRights? rights)
    {
        var (bucket, nars) = (settings!.Bucket,
            $"{settings.Bucket}/{(settings.Prefix.Length == 0 ? "" : settings.Prefix.TrimEnd('/') + "/")}nar/*");
        if (rights is null)
            return [$"Upload URLs are signed with the server's own key, so their holders act with its rights on bucket {bucket}: with " +
                $"{Options} give a key that may only put {nars}."];
        if (rights.RefusedPut is { } refusal)
            return [$"The key of {Options} may not put {nars} (the store says {refusal}), so no upload can succeed: allow it " +
                "s3:PutObject there."];
        if (rights.HidesFromServer)
            return [$"The server's key may not read what the key of {Options} puts into bucket {bucket}, so no upload can succeed: allow " +
                "it s3:* on the bucket and all in it, by the bucket's policy."];
        (bool May, string What)[] more = [(rights.Gets, "get"), (rights.Lists, "list"), (rights.Deletes, "delete"),
            (rights.PutsElsewhere, "put outside nar/")];
        string[] excess = [.. more.Where(m => m.May).Select(m => m.What)];
        return excess.Length == 0
            ? []
            : [$"The upload key of bucket {bucket} may also {string.Join(", ", excess)}, and so may each holder of an upload URL: allow " +
                $"it s3:PutObject on {nars} alone, and deny it s3:Get*, s3:List* and s3:Delete*."];
    }

    [LoggerMessage(LogLevel.Warning, "{Doubt}")]
    private static partial void LogDoubt(ILogger log, string doubt);
}
