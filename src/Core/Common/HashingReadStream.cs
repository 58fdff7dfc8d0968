using System.Security.Cryptography;
using OrleansCache.Nix;

namespace OrleansCache.Core.Common;

/// <summary>Reads through another stream and keeps the SHA-256 and number of the bytes that were read.</summary>
internal sealed class HashingReadStream(Stream inner) : ReadOnlyStream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public long Count { get; private set; }

    public override long Position { get => Count; set => throw new NotSupportedException(); }

    /// <summary>The hash of all bytes read so far; may be asked once.</summary>
    public Sha256Hash Finish() => Sha256Hash.FromBytes(_hash.GetHashAndReset());

    public override int Read(Span<byte> buffer) => Note(buffer[..inner.Read(buffer)]);

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = await inner.ReadAsync(buffer, cancellationToken);
        return Note(buffer.Span[..read]);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _hash.Dispose();
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    private int Note(ReadOnlySpan<byte> read)
    {
        _hash.AppendData(read);
        Count += read.Length;
        return read.Length;
    }
}
