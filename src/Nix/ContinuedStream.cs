namespace OrleansCache.Nix;

/// <summary>Reads bytes that were taken from a stream already, then the rest of the stream, which stays open.</summary>
public sealed class ContinuedStream(ReadOnlyMemory<byte> first, Stream rest) : ReadOnlyStream
{
    private ReadOnlyMemory<byte> _first = first;

    public override int Read(Span<byte> buffer) => _first.IsEmpty ? rest.Read(buffer) : Take(buffer);

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _first.IsEmpty ? rest.ReadAsync(buffer, cancellationToken) : ValueTask.FromResult(Take(buffer.Span));

    private int Take(Span<byte> buffer)
    {
        var count = Math.Min(buffer.Length, _first.Length);
        _first.Span[..count].CopyTo(buffer);
        _first = _first[count..];
        return count;
    }
}
