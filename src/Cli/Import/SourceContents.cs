using System.Buffers;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Store;
using OrleansCache.Cli.Terminal;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <summary>
/// The NARs and logs of another cache. A file that is zstd goes on as it is, while what is in it is read beside; another one is
/// decompressed and compressed anew. Either way nothing is reported of a NAR that is not what its narinfo says.
/// </summary>
/// <param name="level">zstd's level for what is compressed.</param>
internal sealed class SourceContents(ISource source, IReadOnlyDictionary<StorePathHash, SourcePath> paths, PushProgress progress, int level)
    : INarContents
{
    private const long MaxListing = 64 << 20;

    private long _copied, _compressed, _narBytes, _fileBytes;

    /// <summary>Files that were sent as they are.</summary>
    public long Copied => Volatile.Read(ref _copied);

    /// <summary>NARs that were compressed anew.</summary>
    public long Compressed => Volatile.Read(ref _compressed);

    public long NarBytes => Volatile.Read(ref _narBytes);

    public long FileBytes => Volatile.Read(ref _fileBytes);

    public (UploadedFile File, NarListing? Listing) Encode(UploadJob job, NarEncoder encoder, NarOutput output, int workers,
        CancellationToken cancellationToken)
    {
        var path = paths[job.Info.Path.Hash];
        var asItIs = IsTaken(path);
        var (file, listing) = Read(path, (stream, examination) =>
        {
            if (asItIs)
                Copy(path, stream, output, examination, cancellationToken);
            else
                Compress(path, stream, encoder, output, workers, examination, cancellationToken);
        }, () => asItIs ? output.End() : encoder.End().File, encoder.GiveUp, cancellationToken);
        Interlocked.Increment(ref (asItIs ? ref _copied : ref _compressed));
        Interlocked.Add(ref _narBytes, path.Info.NarSize);
        Interlocked.Add(ref _fileBytes, file!.Size);
        return (file, listing);
    }

    /// <summary>What the server has already of an import that was interrupted: its listing is made anew, from the NAR.</summary>
    public NarListing? List(UploadJob job, CancellationToken cancellationToken)
    {
        var path = paths[job.Info.Path.Hash];
        return Read(path, (stream, examination) => Examine(path, Unpacked(path, stream), examination, _ => { }, cancellationToken),
            () => null, () => { }, cancellationToken).Listing;
    }

    // It was compared with its narinfo while it was read: whatever came of it came on the way.
    public void CheckRefused(PathInfo info, CancellationToken cancellationToken)
    {
    }

    public byte[] ReadLog(string file, CancellationToken cancellationToken) =>
        source.ReadAsync(file, cancellationToken).GetAwaiter().GetResult() is { } stored ? SourceText.Decode(stored)
            : throw new FileNotFoundException("it is not in the source");

    /// <summary>Whether the server takes the file as it is: in one push, all are zstd, and not much larger than the NAR.</summary>
    private static bool IsTaken(SourcePath path) => path.Compression == "zstd"
        && (path.FileSize is not { } size || size <= NarPipeline.CompressBound(path.Info.NarSize));

    private (UploadedFile? File, NarListing? Listing) Read(SourcePath path, Action<Stream, NarExamination> read, Func<UploadedFile?> end,
        Action giveUp, CancellationToken cancellationToken)
    {
        var name = path.Info.Path;
        try
        {
            using var stream = source.Open(path.Url, cancellationToken)
                ?? throw new UnusableNarException(name, $"has no NAR: the source does not have {path.Url}");
            var address = ContentAddress.TryParse(path.Info.Ca, out var ca) ? [(name.Hash, ca)]
                : Array.Empty<(StorePathHash, ContentAddress)>();
            using var examination = new NarExamination([], address, MaxListing);
            read(stream, examination);
            var findings = examination.Finish();
            if (Problem(path, findings) is { } problem)
                throw new UnusableNarException(name, problem);
            return (end(), findings.Listing);
        }
        catch (Exception e)
        {
            giveUp();
            throw e switch
            {
                _ when cancellationToken.IsCancellationRequested => e,
                InvalidDataException => new UnusableNarException(name, $"has a damaged NAR: {path.Url}: {e.Message}"),
                IOException or UnauthorizedAccessException =>
                    new UnusableNarException(name, $"has a NAR that cannot be read: {path.Url}: {e.Message}"),
                DllNotFoundException => new CliException(ExitCodes.Failed,
                    $"{name} is compressed with {path.Compression}, and the library for it cannot be loaded: install " +
                    (path.Compression == "xz" ? "liblzma.so.5 (Debian: liblzma5)." : "libbz2.so.1 (Debian: libbz2-1.0)."), e),
                _ => e,
            };
        }
    }

    private static string? Problem(SourcePath path, NarFindings findings)
    {
        if (findings.NarHash != path.Info.NarHash)
            return $"has a NAR that is not the one of its narinfo: its hash is {findings.NarHash.ToSri()}, not {path.Info.NarHash.ToSri()}";
        if (findings.NarSize != path.Info.NarSize)
            return $"has a NAR of {findings.NarSize} bytes, and its narinfo says {path.Info.NarSize}";
        if (findings.Malformed is { } malformed)
            return $"has a NAR that no Nix reads: {malformed}";
        return findings.ContentAddresses is [var holds] && (holds == false || (holds is null && path.ByAddress))
            ? $"does not have the content address that its narinfo says, {path.Info.Ca}" : null;
    }

    private void Copy(SourcePath path, Stream stream, NarOutput output, NarExamination examination, CancellationToken cancellationToken)
    {
        using var both = new CopyingStream(stream, output, NarPipeline.CompressBound(path.Info.NarSize));
        using var nar = new ZstdDecompressStream(both, leaveOpen: true);
        Examine(path, nar, examination, piece => progress.Read(piece.Length), cancellationToken);
    }

    private void Compress(SourcePath path, Stream stream, NarEncoder encoder, NarOutput output, int workers,
        NarExamination examination, CancellationToken cancellationToken)
    {
        var options = encoder.Begin(path.Info.NarSize, level, workers, output, hashes: false);
        // The encoder is fast with a NAR in one piece, or in large ones.
        var size = (int)Math.Min(path.Info.NarSize, options.BufferSize);
        var whole = ArrayPool<byte>.Shared.Rent(size);
        var filled = 0;
        try
        {
            Examine(path, Unpacked(path, stream), examination, piece =>
            {
                while (!piece.IsEmpty)
                {
                    var count = Math.Min(piece.Length, size - filled);
                    piece[..count].CopyTo(whole.AsSpan(filled));
                    piece = piece[count..];
                    filled += count;
                    if (filled == size)
                        Flush();
                }
            }, cancellationToken);
            Flush();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(whole);
        }

        void Flush()
        {
            if (filled > 0)
                encoder.Write(whole.AsSpan(0, filled));
            filled = 0;
        }
    }

    private static Stream Unpacked(SourcePath path, Stream stream) => NarCompression.Decompress(path.Compression, stream)
        ?? throw new UnusableNarException(path.Info.Path,
            $"is compressed with {Text.Printable(path.Compression)}, which this program does not read: zstd, xz, bzip2 and none are known");

    private static void Examine(SourcePath path, Stream nar, NarExamination examination, PieceTaker take,
        CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(256 << 10);
        try
        {
            var size = 0L;
            while (nar.Read(buffer) is > 0 and var count)
            {
                cancellationToken.ThrowIfCancellationRequested();
                // A few bytes of a compressed file can become as many as anybody likes.
                if ((size += count) > path.Info.NarSize)
                    throw new UnusableNarException(path.Info.Path,
                        $"has a NAR of more than the {path.Info.NarSize} bytes that its narinfo says");
                examination.Append(buffer.AsSpan(0, count));
                take(buffer.AsSpan(0, count));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private delegate void PieceTaker(ReadOnlySpan<byte> piece);
}
