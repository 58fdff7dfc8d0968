using System.Security.Cryptography;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Uploads;

/// <summary>Reads through another stream and takes the MD5 of what was read, which S3 answers as the ETag of a body.</summary>
internal sealed class Md5Stream(Stream inner) : ReadOnlyStream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);

    /// <summary>The MD5 of all bytes read so far, in quotes.</summary>
    public string ETag() => $"\"{Convert.ToHexStringLower(_hash.GetCurrentHash())}\"";

    public override int Read(Span<byte> buffer)
    {
        var read = inner.Read(buffer);
        _hash.AppendData(buffer[..read]);
        return read;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = await inner.ReadAsync(buffer, cancellationToken);
        _hash.AppendData(buffer.Span[..read]);
        return read;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _hash.Dispose();
        base.Dispose(disposing);
    }
}
