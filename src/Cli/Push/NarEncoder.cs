using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>
/// The one pass over a NAR: what is written is hashed, compressed straight into the buffers that will be sent, and hashed again
/// there. Belongs to one thread, for one NAR after the other.
/// </summary>
internal sealed class NarEncoder(Hashers hashers, PushProgress progress, CancellationToken cancellationToken) : WriteOnlyStream
{
    private ZstdCompressor? _compressor;
    private NarOutput? _output;
    private bool _hashes;

    public long Count { get; private set; }

    /// <param name="size">Bytes of the NAR, as Nix has recorded them.</param>
    /// <param name="level">zstd's level.</param>
    /// <param name="workers">Threads of zstd's own, or 0 for this one.</param>
    /// <param name="output">Gets the compressed bytes.</param>
    /// <param name="hashes">Take the NAR's hash.</param>
    public void Begin(long size, int level, int workers, NarOutput output, bool hashes)
    {
        (_output, _hashes) = (output, hashes);
        Count = 0;
        _compressor = ZstdCompressor.Rent(level, workers);
        // Readers can reserve memory, and small NARs are compressed with small tables, which is faster.
        _compressor.SetPledgedSize(size);
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_hashes)
            hashers.Nar.AppendData(buffer);
        Count += buffer.Length;
        Step(buffer, ZstdEnd.Continue);
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

    /// <summary>Ends the NAR.</summary>
    /// <returns>Its hash, if it was to be taken, and what was made of it.</returns>
    public (Sha256Hash? NarHash, UploadedFile File) End()
    {
        Step([], ZstdEnd.Frame);
        var file = _output!.End();
        Release();
        return (_hashes ? Sha256Hash.FromBytes(hashers.Nar.GetHashAndReset()) : null, file);
    }

    /// <summary>Gives up a NAR that could not be read to its end.</summary>
    public void GiveUp()
    {
        hashers.Reset();
        Release();
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
