using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.NixCopy;

/// <summary>
/// Takes a NAR of stock Nix. 1. The body is read once: hashed, decompressed, hashed again and collected in parts. 2. A body of one part is
/// put once all of it has proved right. A larger one is a multipart upload, joined at that same point, so no object appears before. 3. The
/// row records that it has arrived. The row exists before the first byte in the store. Bytes of each call to the store stay in memory for
/// its retries, so the client sends nothing twice.
/// </summary>
internal sealed partial class NarReceiver(IObjectStore store, NixCopyCatalog catalog, PublisherPlaces places, PushOptions options,
    ILogger logger)
{
    private const int PlannedParts = 9_000;
    private const int MiB = 1 << 20;
    private readonly IObjectStore _store = store;
    private readonly NixCopyCatalog _catalog = catalog;
    private readonly PushOptions _options = options;

    public async Task ReceiveAsync(int cache, Caller caller, NarFileName name, Stream body, long length,
        CancellationToken cancellationToken)
    {
        if (length <= 0)
            throw Bad("The body is empty, and no NAR is: send it whole, by running the command again.");
        // A badly compressed file may be a little larger than its NAR. The length is bounded, as the size of a part follows it.
        if (length - (length / 64) - MiB > _options.MaxNarSize)
            throw TooLarge("The body");
        using var place = await places.TakeAsync(caller.Publisher, cancellationToken);
        await RunAsync(new Upload(this, cache, caller, name, length), body, cancellationToken);
    }

    private static async Task RunAsync(Upload upload, Stream body, CancellationToken cancellationToken)
    {
        try
        {
            await upload.RunAsync(body, cancellationToken);
        }
        catch
        {
            await upload.DropAsync();
            throw;
        }
    }

    private CacheProblemException TooLarge(string what) =>
        new(ProblemKind.TooLarge, string.Create(CultureInfo.InvariantCulture,
            $"{what} is larger than {_options.MaxNarSize >> 30} GiB, which is what this server takes of one NAR."));

    private static CacheProblemException Bad(string message, Exception? inner = null) => new(ProblemKind.BadRequest, message, inner: inner);

    private static CacheProblemException Ended() =>
        new(ProblemKind.PushEnded, "The upload took longer than a day and was given up. Run the command again.");

    private sealed class Upload(NarReceiver receiver, int cache, Caller caller, NarFileName name, long length)
    {
        private readonly int _partSize = (int)Math.Max(receiver._options.PartSize, (length / PlannedParts + MiB - 1) / MiB * MiB);
        private readonly List<string> _md5 = [];
        private NarClaim? _claim;
        private string? _multipart;

        public async Task RunAsync(Stream body, CancellationToken cancellationToken)
        {
            var file = new NarBody(body, length, _partSize, part => SendPartAsync(part, cancellationToken));
            try
            {
                var nar = await ReadAsync(file, cancellationToken);
                await file.DrainAsync(cancellationToken);
                var fileHash = file.Finish();
                if (fileHash != name.FileHash)
                    throw Bad(
                        $"The body's SHA-256 is {fileHash.ToNix32()}, and its name says {name.FileHash.ToNix32()}; nothing was stored. " +
                        "It was changed on its way: run the command again.");
                await StoreAsync(file, nar.Hash, nar.Size, cancellationToken);
                if (!await receiver._catalog.StoredAsync(cache, caller, _claim!, name, length, nar, cancellationToken))
                    throw Ended();
            }
            finally
            {
                await file.ReleaseAsync();
            }
        }

        /// <summary>Best effort after any failure: an upload that is not dropped here ends with the hold.</summary>
        public async Task DropAsync()
        {
            if (_claim is null)
                return;
            try
            {
                await receiver._catalog.DropAsync(cache, _claim, CancellationToken.None);
            }
            catch (CacheProblemException e)
            {
                receiver.LogNotDropped(e, _claim.Key);
            }
        }

        private async Task<ReceivedNar> ReadAsync(NarBody file, CancellationToken cancellationToken)
        {
            // Its references come with the narinfo.
            using var examination = receiver._options.NotesReferences ? new NarExamination([], [], maxListing: 0) : null;
            using var hash = receiver._options.NotesReferences ? null : IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            await using var opened = await NarDecompression.OpenAsync(name.Compression, file, cancellationToken)
                ?? throw Bad(
                    $"This server cannot check a NAR that is compressed with {name.Compression}: use xz, zstd, bzip2 or none, as in --to " +
                    "'http://…?compression=zstd'.");
            var nar = opened.Nar;
            var buffer = ArrayPool<byte>.Shared.Rent(256 << 10);
            try
            {
                var size = 0L;
                while (await nar.ReadAsync(buffer, cancellationToken) is > 0 and var read)
                {
                    if ((size += read) > receiver._options.MaxNarSize)
                        throw receiver.TooLarge("The decompressed NAR");
                    examination?.Append(buffer.AsSpan(0, read));
                    hash?.AppendData(buffer, 0, read);
                }

                if (size == 0)
                    throw Bad("The body holds nothing once decompressed, and no NAR is empty.");
                var seen = examination?.Finish();
                return new ReceivedNar(seen?.NarHash ?? Sha256Hash.FromBytes(hash!.GetHashAndReset()), size, seen);
            }
            catch (InvalidDataException e)
            {
                throw Bad(
                    $"The body is not a whole file of {name.Compression}: {e.Message.TrimEnd('.')}; nothing was stored. Run the command again.", e);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }

        private async Task StoreAsync(NarBody file, Sha256Hash narHash, long narSize, CancellationToken cancellationToken)
        {
            await file.Sent;
            if (_multipart is null)
            {
                await ClaimAsync(narHash, narSize, cancellationToken);
                await receiver._store.PutNewAsync(_claim!.Key, file.Rest, cancellationToken);
            }
            else
            {
                await PutPartAsync(file.Rest, cancellationToken);
                if (!await receiver._store.CompleteMultipartAsync(_claim!.Key, _multipart, length, _md5, cancellationToken))
                    throw new ObjectStoreException($"the parts of {_claim.Key} do not make up the upload", isTransient: true);
            }

            await receiver._store.SyncAsync([_claim!.Key], cancellationToken);
        }

        private async Task SendPartAsync(ReadOnlyMemory<byte> part, CancellationToken cancellationToken)
        {
            if (_multipart is null)
            {
                await ClaimAsync(null, null, cancellationToken);
                // Begun and noted also for a client that has gone: only the row tells the housekeeper which upload to abort.
                var multipart = await receiver._store.BeginMultipartAsync(_claim!.Key, _partSize, CancellationToken.None);
                if (!await receiver._catalog.NoteMultipartAsync(_claim, multipart, CancellationToken.None))
                {
                    await receiver._store.AbortMultipartAsync(_claim.Key, multipart, CancellationToken.None);
                    throw Ended();
                }

                _multipart = multipart;
            }

            await PutPartAsync(part, cancellationToken);
            // The hold is extended while bytes arrive.
            await receiver._catalog.PromiseAsync(cache, caller, null, null, cancellationToken);
        }

        private async Task PutPartAsync(ReadOnlyMemory<byte> part, CancellationToken cancellationToken)
        {
            await receiver._store.PutPartAsync(_claim!.Key, _multipart!, _partSize, _md5.Count + 1, part, cancellationToken);
            _md5.Add(Convert.ToHexStringLower(MD5.HashData(part.Span)));
        }

        private async Task ClaimAsync(Sha256Hash? narHash, long? narSize, CancellationToken cancellationToken) =>
            _claim = await receiver._catalog.ClaimAsync(cache, caller, name, MintedKeys.MintOne(name.Ending), narHash, narSize,
                cancellationToken);
    }

    [LoggerMessage(LogLevel.Warning, "the failed upload of {Key} stays until its hold ends")]
    private partial void LogNotDropped(Exception e, ObjectKey key);
}
