using System.Buffers;

namespace OrleansCache.Nix;

/// <summary>
/// Compresses what is written into one frame. <see cref="Complete"/>, <see cref="CompleteAsync"/> or disposing ends the frame. Disposing
/// after an error leaves a whole frame of part of the data, so check for errors first.
/// </summary>
public sealed class ZstdCompressStream : WriteOnlyStream
{
    private const int BufferSize = 256 * 1024;

    private readonly Stream _inner;
    private readonly bool _leaveOpen;
    private readonly ZstdCompressor _compressor;
    private byte[]? _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
    private bool _completed;

    /// <param name="inner">Gets the compressed bytes, in pieces of up to 256 KiB.</param>
    /// <param name="level">zstd's level.</param>
    /// <param name="workers">See <see cref="ZstdCompressor.Rent"/>.</param>
    /// <param name="leaveOpen">Whether <paramref name="inner"/> outlives this stream.</param>
    /// <param name="pledgedSize">The number of bytes that will be written, when known: the frame's header then says so, and another number
    /// is an error.</param>
    public ZstdCompressStream(Stream inner, int level = Zstd.DefaultLevel, int workers = 0, bool leaveOpen = false,
        long? pledgedSize = null)
    {
        (_inner, _leaveOpen) = (inner, leaveOpen);
        _compressor = ZstdCompressor.Rent(level, workers);
        if (pledgedSize is { } size)
            _compressor.SetPledgedSize(size);
    }

    /// <summary>Compressed bytes passed on so far.</summary>
    public long BytesOut { get; private set; }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        for (var done = false; !done;)
        {
            done = Step(buffer, ZstdEnd.Continue, out var consumed, out var written);
            buffer = buffer[consumed..];
            if (written > 0)
                _inner.Write(_buffer.AsSpan(0, written));
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        for (var done = false; !done;)
        {
            done = Step(buffer.Span, ZstdEnd.Continue, out var consumed, out var written);
            buffer = buffer[consumed..];
            if (written > 0)
                await _inner.WriteAsync(_buffer.AsMemory(0, written), cancellationToken);
        }
    }

    /// <summary>Passes everything written so far to the inner stream. It costs compression, and a copy does not need it.</summary>
    public override void Flush()
    {
        if (!_completed)
            Finish(ZstdEnd.Flush);
        _inner.Flush();
    }

    public override async Task FlushAsync(CancellationToken cancellationToken)
    {
        if (!_completed)
            await FinishAsync(ZstdEnd.Flush, cancellationToken);
        await _inner.FlushAsync(cancellationToken);
    }

    /// <summary>Ends the frame. A second call does nothing.</summary>
    public void Complete()
    {
        if (_completed)
            return;
        Finish(ZstdEnd.Frame);
        _completed = true;
    }

    /// <inheritdoc cref="Complete"/>
    public async ValueTask CompleteAsync(CancellationToken cancellationToken = default)
    {
        if (_completed)
            return;
        await FinishAsync(ZstdEnd.Frame, cancellationToken);
        _completed = true;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && _buffer is not null)
        {
            try
            {
                Complete();
            }
            finally
            {
                Release();
                if (!_leaveOpen)
                    _inner.Dispose();
            }
        }

        base.Dispose(disposing);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_buffer is not null)
        {
            try
            {
                await CompleteAsync();
            }
            finally
            {
                Release();
                if (!_leaveOpen)
                    await _inner.DisposeAsync();
            }
        }

        await base.DisposeAsync();
    }

    private bool Step(ReadOnlySpan<byte> input, ZstdEnd end, out int consumed, out int written)
    {
        ObjectDisposedException.ThrowIf(_buffer is null, this);
        if (_completed)
            throw new InvalidOperationException("The zstd frame is complete; nothing can be written after it.");
        try
        {
            var done = _compressor.Compress(input, _buffer, end, out consumed, out written);
            BytesOut += written;
            return done;
        }
        catch (InvalidDataException)
        {
            _completed = true; // Disposing must not hide this error behind another.
            throw;
        }
    }

    private void Finish(ZstdEnd end)
    {
        for (var done = false; !done;)
        {
            done = Step([], end, out _, out var written);
            if (written > 0)
                _inner.Write(_buffer.AsSpan(0, written));
        }
    }

    private async ValueTask FinishAsync(ZstdEnd end, CancellationToken cancellationToken)
    {
        for (var done = false; !done;)
        {
            done = Step([], end, out _, out var written);
            if (written > 0)
                await _inner.WriteAsync(_buffer.AsMemory(0, written), cancellationToken);
        }
    }

    private void Release()
    {
        _compressor.Dispose();
        ArrayPool<byte>.Shared.Return(_buffer!);
        _buffer = null;
        _completed = true;
    }
}
