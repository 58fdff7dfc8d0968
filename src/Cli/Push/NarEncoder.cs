using OrleansCache.Cli.Terminal;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>
/// The one pass over a NAR: hashes what is written, compresses it straight into the buffers that will be sent, and hashes those. One thread
/// uses it for one NAR after the other.
/// </summary>
/// <remarks>
/// zstd is much slower when a NAR comes in steps, as it copies them into a ring and looks for matches in two places. So a NAR that fits
/// into memory is compressed at once, and a larger one in jobs of some MB by a thread of zstd's own.
/// </remarks>
/// <param name="jobs">How many encoders share the memory.</param>
/// <param name="caseHack">See <see cref="PushOptions.CaseHack"/>.</param>
internal sealed class NarEncoder(Hashers hashers, PushProgress progress, int jobs, bool caseHack, CancellationToken cancellationToken)
    : WriteOnlyStream
{
    private readonly NarWriteOptions _small = new() { CaseHack = caseHack };
    private readonly NarWriteOptions _large = new() { CaseHack = caseHack, BufferSize = Math.Clamp((32 << 20) / jobs, 2 << 20, 16 << 20) };
    private byte[] _frame = [];
    private ZstdCompressor? _compressor;
    private NarOutput? _output;
    private long _size;
    private int _level, _workers;
    private bool _hashes;

    public long Count { get; private set; }

    /// <param name="size">Bytes of the NAR, as Nix has recorded them.</param>
    /// <param name="level">zstd's level.</param>
    /// <param name="workers">Threads of zstd's own for a large NAR.</param>
    /// <param name="output">Gets the compressed bytes.</param>
    /// <param name="hashes">Also take the NAR's hash.</param>
    /// <returns>The options for writing the NAR into this stream.</returns>
    public NarWriteOptions Begin(long size, int level, int workers, NarOutput output, bool hashes)
    {
        (_size, _level, _workers, _output, _hashes) = (size, level, workers, output, hashes);
        Count = 0;
        return Fits(size, _small) || !Fits(size, _large) ? _small : _large;
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Count += buffer.Length;
        if (Count > _size)
            throw new InvalidDataException("The NAR is larger than Nix has recorded.");
        if (_hashes)
            hashers.Nar.AppendData(buffer);
        if (buffer.Length == _size)
        {
            Whole(buffer);
        }
        else
        {
            _compressor ??= Stream();
            Step(buffer, ZstdEnd.Continue);
        }

        progress.Read(buffer.Length);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override void Flush()
    {
    }

    /// <summary>Ends the NAR after all of it was written.</summary>
    /// <returns>The NAR's hash, if it was asked for, and the compressed file.</returns>
    public (Sha256Hash? NarHash, UploadedFile File) End()
    {
        if (_compressor is not null)
            Step([], ZstdEnd.Frame);
        var file = _output!.End();
        Release();
        return (_hashes ? Sha256Hash.FromBytes(hashers.Nar.GetHashAndReset()) : null, file);
    }

    /// <summary>Drops a NAR that could not be read to its end.</summary>
    public void GiveUp()
    {
        hashers.Reset();
        Release();
    }

    private static bool Fits(long size, NarWriteOptions options) => size <= options.BufferSize - NarWriter.BufferReserve;

    private void Whole(ReadOnlySpan<byte> nar)
    {
        var bound = Zstd.CompressBound(nar.Length);
        if (_frame.Length < bound)
            _frame = GC.AllocateUninitializedArray<byte>(Zstd.CompressBound(Fits(nar.Length, _small) ? _small.BufferSize
                : _large.BufferSize));
        using var compressor = ZstdCompressor.Rent(_level, checksum: false);
        for (ReadOnlySpan<byte> left = _frame.AsSpan(0, compressor.CompressFrame(nar, _frame)); !left.IsEmpty;)
        {
            var free = _output!.Free();
            var count = Math.Min(free.Length, left.Length);
            left[..count].CopyTo(free);
            _output.Advance(free[..count]);
            left = left[count..];
        }
    }

    private ZstdCompressor Stream()
    {
        // A small NAR that comes in several writes has another size than Nix has recorded.
        var workers = Fits(_size, _large) ? 0 : Math.Max(1, _workers);
        var compressor = ZstdCompressor.Rent(_level, workers, _large.BufferSize / 2, checksum: false);
        // Readers can then reserve the memory.
        compressor.SetPledgedSize(_size);
        return compressor;
    }

    private void Step(ReadOnlySpan<byte> input, ZstdEnd end)
    {
        for (var done = false; !done;)
        {
            var free = _output!.Free();
            done = _compressor!.Compress(input, free, end, out var consumed, out var written);
            input = input[consumed..];
            if (written > 0)
                _output.Advance(free[..written]);
        }
    }

    private void Release()
    {
        _compressor?.Dispose();
        _compressor = null;
        _output = null;
    }
}
