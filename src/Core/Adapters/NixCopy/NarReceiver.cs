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
/// Takes a NAR of stock Nix. 1. The body is read once: hashed, decompressed, hashed again and collected in parts. 2. What has proved right
/// goes to the store (<see cref="NarUpload"/>). 3. The row records that it has arrived.
/// </summary>
internal sealed class NarReceiver(IObjectStore store, NixCopyCatalog catalog, PublisherPlaces places, PushOptions options, ILogger logger)
{
    private const int MiB = 1 << 20;
    private readonly IObjectStore _store = store;
    private readonly NixCopyCatalog _catalog = catalog;
    private readonly PushOptions _options = options;
    private readonly ILogger _logger = logger;

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

    private sealed class Upload
    {
        private readonly NarReceiver _receiver;
        private readonly NarFileName _name;
        private readonly long _length;
        private readonly int _partSize;
        private readonly NarUpload _upload;

        public Upload(NarReceiver receiver, int cache, Caller caller, NarFileName name, long length)
        {
            (_receiver, _name, _length, _partSize) = (receiver, name, length, NarUpload.PartSizeOf(receiver._options, length));
            _upload = new NarUpload(receiver._store, receiver._catalog, cache, caller, name, null, _partSize, receiver._logger);
        }

        public async Task RunAsync(Stream body, CancellationToken cancellationToken)
        {
            var file = new NarBody(body, _length, _partSize, part => _upload.SendPartAsync(part, cancellationToken));
            try
            {
                var nar = await ReadAsync(file, cancellationToken);
                await file.DrainAsync(cancellationToken);
                var fileHash = file.Finish();
                if (fileHash != _name.FileHash)
                    throw Bad(
                        $"The body's SHA-256 is {fileHash.ToNix32()}, and its name says {_name.FileHash.ToNix32()}; nothing was stored. " +
                        "It was changed on its way: run the command again.");
                await file.Sent;
                await _upload.StoreAsync(file.Rest, _length, nar.Hash, nar.Size, cancellationToken);
                await _upload.RecordAsync(_name, _length, nar, cancellationToken);
            }
            finally
            {
                await file.ReleaseAsync();
            }
        }

        public Task DropAsync() => _upload.DropAsync();

        private async Task<ReceivedNar> ReadAsync(NarBody file, CancellationToken cancellationToken)
        {
            // Its references come with the narinfo.
            using var examination = _receiver._options.NotesReferences ? new NarExamination([], [], maxListing: 0) : null;
            using var hash = _receiver._options.NotesReferences ? null : IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            await using var opened = await NarDecompression.OpenAsync(_name.Compression, file, cancellationToken)
                ?? throw Bad(
                    $"This server cannot check a NAR that is compressed with {_name.Compression}: use xz, zstd, bzip2 or none, as in --to " +
                    "'http://…?compression=zstd'.");
            var nar = opened.Nar;
            var buffer = ArrayPool<byte>.Shared.Rent(256 << 10);
            try
            {
                var size = 0L;
                while (await nar.ReadAsync(buffer, cancellationToken) is > 0 and var read)
                {
                    if ((size += read) > _receiver._options.MaxNarSize)
                        throw _receiver.TooLarge("The decompressed NAR");
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
                    $"The body is not a whole file of {_name.Compression}: {e.Message.TrimEnd('.')}; nothing was stored. Run the command again.", e);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }
}
