using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Adapters.NixCopy;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.Attic;

/// <summary>
/// Takes a NAR that comes uncompressed. 1. A NAR that is there is held, and what comes is only compared. 2. Else the body is read once:
/// hashed, compressed, hashed again and collected in parts. 3. What has proved right goes to the store (<see cref="NarUpload"/>), and the
/// row records that it has arrived.
/// </summary>
internal sealed class AtticReceiver(IObjectStore store, NixCopyCatalog nix, AtticCatalog catalog, PublisherPlaces places,
    PushOptions options, ILogger logger)
{
    private const int ReadSize = 256 << 10;
    private const int OutputSize = 128 << 10;

    public async Task<AtticNar> ReceiveAsync(int cache, Caller caller, AtticPath path, Stream body, CancellationToken cancellationToken)
    {
        if (path.NarSize > options.MaxNarSize)
            throw new CacheProblemException(ProblemKind.TooLarge, string.Create(CultureInfo.InvariantCulture,
                $"The NAR of {path.Path} is larger than {options.MaxNarSize >> 30} GiB, which is what this server takes of one NAR."));
        using var place = await places.TakeAsync(caller.Publisher, cancellationToken);
        if (await catalog.FindNarAsync(cache, path.NarHash, path.NarSize, cancellationToken) is { } known
            && (await nix.PromiseAsync(cache, caller, null, known, cancellationToken)).Nar is { } held)
        {
            // Who sends a NAR has it, whatever the hash that he knows.
            await ReadAsync(path, body, static (_, _) => ValueTask.CompletedTask, cancellationToken);
            return new AtticNar(known, held.Size, WasStored: true);
        }

        var name = NameOf(path.NarHash);
        var partSize = NarUpload.PartSizeOf(options, path.NarSize);
        var upload = new NarUpload(store, nix, cache, caller, name, (path.NarHash, path.NarSize), partSize, logger);
        try
        {
            return await StoreAsync(path, body, upload, partSize, cancellationToken);
        }
        catch
        {
            await upload.DropAsync();
            throw;
        }
    }

    private async Task<AtticNar> StoreAsync(AtticPath path, Stream body, NarUpload upload, int partSize,
        CancellationToken cancellationToken)
    {
        var parts = new NarParts(partSize, path.NarSize, part => upload.SendPartAsync(part, cancellationToken));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var compressor = ZstdCompressor.Rent(checksum: false);
        compressor.SetPledgedSize(path.NarSize);
        var output = ArrayPool<byte>.Shared.Rent(OutputSize);
        var length = 0L;
        try
        {
            var nar = await ReadAsync(path, body, CompressAsync, cancellationToken);
            await parts.Sent;
            var name = NameOf(Sha256Hash.FromBytes(hash.GetHashAndReset()));
            await upload.StoreAsync(parts.Rest, length, nar.Hash, nar.Size, cancellationToken);
            await upload.RecordAsync(name, length, nar, cancellationToken);
            return new AtticNar(name, length, WasStored: false);
        }
        finally
        {
            await parts.ReleaseAsync();
            ArrayPool<byte>.Shared.Return(output);
        }

        async ValueTask CompressAsync(ReadOnlyMemory<byte> piece, bool isLast)
        {
            for (var done = false; !done;)
            {
                done = compressor.Compress(piece.Span, output, isLast ? ZstdEnd.Frame : ZstdEnd.Continue, out var consumed, out var count);
                piece = piece[consumed..];
                hash.AppendData(output, 0, count);
                length += count;
                for (var added = 0; added < count;)
                {
                    var next = Math.Min(count - added, await parts.MakeRoomAsync());
                    parts.Add(output.AsSpan(added, next));
                    added += next;
                }
            }
        }
    }

    // The body is exactly the declared NAR, or an error.
    private async Task<ReceivedNar> ReadAsync(AtticPath path, Stream body, Func<ReadOnlyMemory<byte>, bool, ValueTask> take,
        CancellationToken cancellationToken)
    {
        // Its references are compared at the commit.
        using var examination = options.NotesReferences ? new NarExamination([], [], maxListing: 0) : null;
        using var hash = options.NotesReferences ? null : IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(ReadSize);
        try
        {
            for (var left = path.NarSize; left > 0;)
            {
                var read = await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), cancellationToken);
                if (read == 0)
                    throw Bad($"The NAR of {path.Path} ended after {path.NarSize - left} of {path.NarSize} bytes; nothing was stored.");
                examination?.Append(buffer.AsSpan(0, read));
                hash?.AppendData(buffer, 0, read);
                left -= read;
                await take(buffer.AsMemory(0, read), left == 0);
            }

            if (await body.ReadAsync(buffer.AsMemory(0, 1), cancellationToken) != 0)
                throw Bad($"The NAR of {path.Path} has more than the {path.NarSize} bytes that it was declared with; nothing was stored.");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        var seen = examination?.Finish();
        var narHash = seen?.NarHash ?? Sha256Hash.FromBytes(hash!.GetHashAndReset());
        return narHash == path.NarHash ? new ReceivedNar(narHash, path.NarSize, seen)
            : throw Bad($"The NAR of {path.Path} has the hash {narHash}, and was declared with {path.NarHash}; nothing was stored.");
    }

    private static NarFileName NameOf(Sha256Hash hash) => NarFileName.TryParse(hash.ToNix32() + MintedKeys.Ending, out var name) ? name
        : throw new InvalidOperationException("a hash and the ending of our files are no name");

    private static CacheProblemException Bad(string message) => new(ProblemKind.BadRequest, message);
}

/// <summary>A NAR that is in the store, and held.</summary>
/// <param name="Size">The size of its file, in bytes.</param>
/// <param name="WasStored">It was there before.</param>
internal sealed record AtticNar(NarFileName Name, long Size, bool WasStored);
