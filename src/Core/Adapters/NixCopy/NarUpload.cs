using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.NixCopy;

/// <summary>
/// The way of one NAR's file from a gateway into the store. A file of one part is put once all of it has proved right. A larger one is a
/// multipart upload, joined at that same point, so no object appears before. The row exists before the first byte in the store. Bytes of
/// each call to the store stay in memory for its retries, so the client sends nothing twice.
/// </summary>
/// <param name="name">Its ending is the key's; what had this name before gives its key.</param>
/// <param name="declared">The NAR as its client declares it, for a claim before all of it was read; null: unknown until then.</param>
internal sealed partial class NarUpload(IObjectStore store, NixCopyCatalog catalog, int cache, Caller caller, NarFileName name,
    (Sha256Hash Hash, long Size)? declared, int partSize, ILogger logger)
{
    private const int PlannedParts = 9_000;
    private const int MiB = 1 << 20;
    private readonly List<string> _md5 = [];
    private NarClaim? _claim;
    private string? _multipart;

    /// <summary>The size of a part with which a file of this length has no more parts than a store takes.</summary>
    public static int PartSizeOf(PushOptions options, long length) =>
        (int)Math.Max(options.PartSize, (length / PlannedParts + MiB - 1) / MiB * MiB);

    public async Task SendPartAsync(ReadOnlyMemory<byte> part, CancellationToken cancellationToken)
    {
        if (_multipart is null)
        {
            await ClaimAsync(declared, cancellationToken);
            // Begun and noted also for a client that has gone: only the row tells the housekeeper which upload to abort.
            var multipart = await store.BeginMultipartAsync(_claim!.Key, partSize, CancellationToken.None);
            if (!await catalog.NoteMultipartAsync(_claim, multipart, CancellationToken.None))
            {
                await store.AbortMultipartAsync(_claim.Key, multipart, CancellationToken.None);
                throw Ended();
            }

            _multipart = multipart;
        }

        await PutPartAsync(part, cancellationToken);
        // The hold is extended while bytes arrive.
        await catalog.PromiseAsync(cache, caller, null, null, cancellationToken);
    }

    /// <summary>Ends the file, after all parts were sent.</summary>
    /// <param name="rest">What was not sent.</param>
    /// <param name="length">Bytes of the file.</param>
    public async Task StoreAsync(ReadOnlyMemory<byte> rest, long length, Sha256Hash narHash, long narSize,
        CancellationToken cancellationToken)
    {
        if (_multipart is null)
        {
            await ClaimAsync((narHash, narSize), cancellationToken);
            await store.PutNewAsync(_claim!.Key, rest, cancellationToken);
        }
        else
        {
            await PutPartAsync(rest, cancellationToken);
            if (!await store.CompleteMultipartAsync(_claim!.Key, _multipart, length, _md5, cancellationToken))
                throw new ObjectStoreException($"the parts of {_claim.Key} do not make up the upload", isTransient: true);
        }

        await store.SyncAsync([_claim!.Key], cancellationToken);
    }

    /// <summary>Records that the file is in the store.</summary>
    /// <param name="file">Its name, by its hash.</param>
    public async Task RecordAsync(NarFileName file, long length, ReceivedNar nar, CancellationToken cancellationToken)
    {
        if (!await catalog.StoredAsync(cache, caller, _claim!, file, length, nar, cancellationToken))
            throw Ended();
    }

    /// <summary>Best effort after any failure: an upload that is not dropped here ends with the hold.</summary>
    public async Task DropAsync()
    {
        if (_claim is null)
            return;
        try
        {
            await catalog.DropAsync(cache, _claim, CancellationToken.None);
        }
        catch (CacheProblemException e)
        {
            LogNotDropped(e, _claim.Key);
        }
    }

    private async Task PutPartAsync(ReadOnlyMemory<byte> part, CancellationToken cancellationToken)
    {
        await store.PutPartAsync(_claim!.Key, _multipart!, partSize, _md5.Count + 1, part, cancellationToken);
        _md5.Add(Convert.ToHexStringLower(MD5.HashData(part.Span)));
    }

    private async Task ClaimAsync((Sha256Hash Hash, long Size)? nar, CancellationToken cancellationToken) =>
        _claim = await catalog.ClaimAsync(cache, caller, name, MintedKeys.MintOne(name.Ending), nar?.Hash, nar?.Size, cancellationToken);

    private static CacheProblemException Ended() =>
        new(ProblemKind.PushEnded, "The upload took longer than a day and was given up. Run the command again.");

    [LoggerMessage(LogLevel.Warning, "the failed upload of {Key} stays until its hold ends")]
    private partial void LogNotDropped(Exception e, ObjectKey key);
}
