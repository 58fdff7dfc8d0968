using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Http;

/// <summary>
/// Reads at most <paramref name="limit"/> bytes; the next one is a <see cref="ProblemKind.TooLarge"/>, so that a small compressed body
/// cannot become a large one.
/// </summary>
internal sealed class BoundedStream(Stream inner, long limit) : ReadOnlyStream
{
    private long _read;

    public override long Position { get => _read; set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer) => Count(inner.Read(buffer));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        Count(await inner.ReadAsync(buffer, cancellationToken));

    private int Count(int read) => (_read += read) <= limit
        ? read
        : throw new CacheProblemException(ProblemKind.TooLarge,
            $"The body is larger than {limit >> 20} MiB once decompressed: push fewer paths at a time, or report in smaller batches.");
}
