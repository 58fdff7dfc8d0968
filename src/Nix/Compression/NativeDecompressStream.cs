using System.Buffers;

namespace OrleansCache.Nix;

/// <summary>
/// Reads what a C library decompresses piece by piece. Data that ends in the middle is an <see cref="InvalidDataException"/>, not an end.
/// </summary>
public abstract class NativeDecompressStream(Stream inner) : ReadOnlyStream
{
    private byte[]? _buffer = ArrayPool<byte>.Shared.Rent(128 * 1024);
    private int _start, _end;
    private bool _inputEnded, _ended;

    public override int Read(Span<byte> buffer)
    {
        int written;
        while (!TryStep(buffer, out written))
            Filled(inner.Read(_buffer!));
        return written;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int written;
        while (!TryStep(buffer.Span, out written))
            Filled(await inner.ReadAsync(_buffer!, cancellationToken));
        return written;
    }

    /// <summary>One call of the library. It takes some of <paramref name="input"/> and gives some output, as much as it can.</summary>
    /// <param name="input">May be empty.</param>
    /// <param name="output">Not empty.</param>
    /// <param name="isLast">No input follows this.</param>
    /// <returns>How much was taken and given, and whether the data has ended.</returns>
    /// <exception cref="InvalidDataException">The data is of another format, damaged or cut short.</exception>
    protected abstract (int Taken, int Given, bool Ended) Decode(ReadOnlySpan<byte> input, Span<byte> output, bool isLast);

    protected override void Dispose(bool disposing)
    {
        if (_buffer is { } buffer)
        {
            _buffer = null;
            ArrayPool<byte>.Shared.Return(buffer);
        }

        base.Dispose(disposing);
    }

    // True when there is something to return, which may be the end; false when more input is needed.
    private bool TryStep(Span<byte> output, out int written)
    {
        ObjectDisposedException.ThrowIf(_buffer is null, this);
        written = 0;
        while (!_ended && !output.IsEmpty)
        {
            if (_start == _end && !_inputEnded)
                return false;
            (var taken, written, _ended) = Decode(_buffer.AsSpan(_start, _end - _start), output, _inputEnded);
            _start += taken;
            if (written > 0)
                return true;
        }

        return true;
    }

    private void Filled(int count)
    {
        (_start, _end) = (0, count);
        _inputEnded = count == 0;
    }
}
