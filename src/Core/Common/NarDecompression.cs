using System.Buffers;
using OrleansCache.Nix;

namespace OrleansCache.Core.Common;

/// <summary>
/// Decompresses NARs that clients compressed. Windows of up to 8 MiB, which all common levels use, are always available. Larger ones, up to
/// 128 MiB, are given to a few NARs of the process at a time; the others wait. The start of the file says which one it needs, and no later
/// frame may need more.
/// </summary>
internal sealed class NarDecompression : IAsyncDisposable
{
    private const int ReadSize = 1 << 18;
    private const int LargeAtOnce = 3;
    private const ulong UsualWindow = 1ul << Zstd.BodyWindowLog;
    private const int UsualXzMemory = 16 << 20;
    private const int LargeXzMemory = 128 << 20;

    private static readonly SemaphoreSlim Large = new(LargeAtOnce);

    private readonly bool _isLarge;

    /// <summary>Looks at the next bytes of a NAR.</summary>
    public delegate void Show(ReadOnlySpan<byte> piece);

    private NarDecompression(Stream nar, bool isLarge) => (Nar, _isLarge) = (nar, isLarge);

    public Stream Nar { get; }

    /// <param name="compression">As in a narinfo.</param>
    /// <param name="file">Stays open.</param>
    /// <param name="cancellationToken">Ends the wait for a place.</param>
    /// <returns>Null when this program cannot decompress it.</returns>
    public static async Task<NarDecompression?> OpenAsync(string compression, Stream file, CancellationToken cancellationToken)
    {
        if (compression is not ("zstd" or "xz"))
            return NarCompression.Decompress(compression, file) is { } nar ? new NarDecompression(nar, isLarge: false) : null;
        var start = new byte[XzHeader.MaxLength];
        var read = await file.ReadAtLeastAsync(start, start.Length, throwOnEndOfStream: false, cancellationToken);
        var window = compression == "zstd" ? ZstdFrames.WindowOf(start.AsSpan(0, read)) : XzHeader.DictionaryOf(start.AsSpan(0, read));
        // A file that does not tell its window may not get more either.
        var isLarge = window is not { } bytes || bytes > UsualWindow;
        if (isLarge)
            await Large.WaitAsync(cancellationToken);
        try
        {
            var whole = new ContinuedStream(start.AsMemory(0, read), file);
            return new NarDecompression(
                compression == "zstd"
                    ? new ZstdDecompressStream(whole, leaveOpen: true, isLarge ? Zstd.NarWindowLog : Zstd.BodyWindowLog)
                    : new XzDecompressStream(whole, isLarge ? LargeXzMemory : UsualXzMemory),
                isLarge);
        }
        catch
        {
            if (isLarge)
                Large.Release();
            throw;
        }
    }

    /// <summary>
    /// Shows the NAR piece by piece: one buffer is filled while the other is looked at, so a large NAR has two processors. It stops beyond
    /// <paramref name="size"/>, as what follows is no part of that NAR, and may be a bomb.
    /// </summary>
    /// <returns>The bytes that were read: more than <paramref name="size"/> when it has more.</returns>
    /// <exception cref="InvalidDataException">It is not compressed in that way, or not whole.</exception>
    public async Task<long> ShowAsync(Show show, long size, CancellationToken cancellationToken)
    {
        var (reading, showing) = (ArrayPool<byte>.Shared.Rent(ReadSize), ArrayPool<byte>.Shared.Rent(ReadSize));
        var (count, shown) = (0L, Task.CompletedTask);
        try
        {
            while (count <= size && await Nar.ReadAtLeastAsync(reading.AsMemory(0, ReadSize), ReadSize, throwOnEndOfStream: false,
                cancellationToken) is > 0 and var read)
            {
                await shown;
                count += read;
                (reading, showing) = (showing, reading);
                var piece = showing;
                if (read == ReadSize)
                    shown = Task.Run(() => show(piece.AsSpan(0, read)), CancellationToken.None);
                else
                    show(piece.AsSpan(0, read));
            }
        }
        finally
        {
            await shown;
            ArrayPool<byte>.Shared.Return(reading);
            ArrayPool<byte>.Shared.Return(showing);
        }

        return count;
    }

    public async ValueTask DisposeAsync()
    {
        await Nar.DisposeAsync();
        if (_isLarge)
            Large.Release();
    }
}
