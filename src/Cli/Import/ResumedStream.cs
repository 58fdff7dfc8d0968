using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <summary>
/// Reads a file over the network, and goes on where it was when the connection breaks or stands still: a NAR of many gigabytes need not
/// come in one piece. Whether the pieces are of one file, its hash tells.
/// </summary>
/// <param name="what">For messages.</param>
/// <param name="first">The answer to the first request.</param>
/// <param name="open">Opens the file again, at an offset; null: it is there no more.</param>
internal sealed class ResumedStream(string what, Stream first, Func<long, CancellationToken, Task<Stream?>> open,
    CancellationToken cancellationToken) : ReadOnlyStream
{
    /// <summary>So many breaks in a row without a byte between them are too many.</summary>
    private const int MaxBreaks = 5;

    private static readonly TimeSpan MaxStandstill = TimeSpan.FromSeconds(60);

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(128 << 10);
    private Stream _inner = first;
    private long _position;
    private int _start, _end, _breaks;

    public override int Read(Span<byte> buffer)
    {
        if (_start == _end && !Fill())
            return 0;
        var count = Math.Min(buffer.Length, _end - _start);
        _buffer.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult(Read(buffer.Span));

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _inner.Dispose();
        base.Dispose(disposing);
    }

    private bool Fill()
    {
        while (true)
        {
            using var standstill = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            standstill.CancelAfter(MaxStandstill);
            try
            {
                (_start, _end) = (0, _inner.ReadAsync(_buffer, standstill.Token).AsTask().GetAwaiter().GetResult());
                _position += _end;
                _breaks = 0;
                return _end > 0;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && RetryPolicy.AsTransient(e) is { } why)
            {
                if (++_breaks > MaxBreaks)
                    throw new CliException(ExitCodes.Unreachable, $"{what} cannot be read to its end: {why.Message}", e);
                _inner.Dispose();
                _inner = open(_position, cancellationToken).GetAwaiter().GetResult()
                    ?? throw new IOException("it was deleted while it was read");
            }
        }
    }
}
