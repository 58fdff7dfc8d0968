using System.Buffers;

namespace OrleansCache.Nix;

/// <summary>
/// Reads the decompressed bytes of one or more frames. An end in the middle of a frame is an <see cref="InvalidDataException"/>, and so is
/// anything that is not zstd. An empty input is an error too, as even nothing compresses to a frame.
/// </summary>
/// <param name="maxWindowLog">A frame with a larger window is an <see cref="InvalidDataException"/> too: see
/// <see cref="Zstd.BodyWindowLog"/>.</param>
public sealed class ZstdDecompressStream(Stream inner, bool leaveOpen = false, int maxWindowLog = Zstd.NarWindowLog) : ReadOnlyStream
{
    private readonly ZstdDecompressor _decompressor = ZstdDecompressor.Rent(maxWindowLog);
    private byte[]? _buffer = ArrayPool<byte>.Shared.Rent(128 * 1024);
    private int _start, _end;
    private bool _any, _full;

    public override int Read(Span<byte> buffer)
    {
        int written;
        while (!TryStep(buffer, out written))
        {
            if (!Filled(inner.Read(_buffer!)))
                return 0;
        }

        return written;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int written;
        while (!TryStep(buffer.Span, out written))
        {
            if (!Filled(await inner.ReadAsync(_buffer!, cancellationToken)))
                return 0;
        }

        return written;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && _buffer is not null)
        {
            Release();
            if (!leaveOpen)
                inner.Dispose();
        }

        base.Dispose(disposing);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_buffer is not null)
        {
            Release();
            if (!leaveOpen)
                await inner.DisposeAsync();
        }

        await base.DisposeAsync();
    }

    /// <summary>True when there is something to return; false when more input is needed.</summary>
    private bool TryStep(Span<byte> output, out int written)
    {
        ObjectDisposedException.ThrowIf(_buffer is null, this);
        written = 0;
        if (output.IsEmpty)
            return true;
        // A call that filled its output may have more inside, and needs no input for it.
        while (_start < _end || _full)
        {
            _decompressor.Decompress(_buffer.AsSpan(_start, _end - _start), output, out var consumed, out written);
            _start += consumed;
            _full = written == output.Length && !_decompressor.IsAtFrameEnd;
            if (written > 0)
                return true;
        }

        return false;
    }

    private bool Filled(int count)
    {
        (_start, _end) = (0, count);
        _any |= count > 0;
        if (count > 0)
            return true;
        if (!_any)
            throw new InvalidDataException("The zstd data is empty.");
        _decompressor.RequireFrameEnd();
        return false;
    }

    private void Release()
    {
        _decompressor.Dispose();
        ArrayPool<byte>.Shared.Return(_buffer!);
        _buffer = null;
    }
}
