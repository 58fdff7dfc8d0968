using System.Security.Cryptography;

namespace OrleansCache.Nix;

/// <summary>Counts and hashes (SHA-256) what is written, and passes it on; without an inner stream it only counts and hashes.</summary>
/// <param name="inner">Stays open when this one is closed.</param>
public sealed class HashingStream(Stream? inner = null) : WriteOnlyStream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>The bytes written so far.</summary>
    public long Count { get; private set; }

    /// <summary>The hash of all bytes written so far; writing may go on.</summary>
    public Sha256Hash CurrentHash()
    {
        Span<byte> bytes = stackalloc byte[Sha256Hash.ByteLength];
        _hash.GetCurrentHash(bytes);
        return Sha256Hash.FromBytes(bytes);
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Add(buffer);
        inner?.Write(buffer);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Add(buffer.Span);
        return inner?.WriteAsync(buffer, cancellationToken) ?? ValueTask.CompletedTask;
    }

    public override void Flush() => inner?.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner?.FlushAsync(cancellationToken) ?? Task.CompletedTask;

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _hash.Dispose();
        base.Dispose(disposing);
    }

    private void Add(ReadOnlySpan<byte> data)
    {
        _hash.AppendData(data);
        Count += data.Length;
    }
}
