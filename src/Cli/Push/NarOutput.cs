using System.Security.Cryptography;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>The destination of one NAR's compressed bytes, one body or parts. It hashes them on the way.</summary>
/// <param name="grant">Says which hashes are wanted.</param>
internal abstract class NarOutput(Hashers hashers, UploadGrant grant)
{
    public long Length { get; private set; }

    /// <summary>MD5 of the body or of each part, lower-case hex; empty when the grant asks for none.</summary>
    protected List<string> Md5 { get; } = [];

    /// <summary>Free bytes for the compressor, at least one. May wait for memory.</summary>
    public abstract Span<byte> Free();

    /// <summary>Takes these bytes, which were written into the free ones.</summary>
    public void Advance(ReadOnlySpan<byte> written)
    {
        if (!grant.ServerHashes)
            hashers.File.AppendData(written);
        if (grant.Md5)
            hashers.Md5.AppendData(written);
        Length += written.Length;
        Keep(written.Length);
    }

    /// <summary>Ends the output, and gives what the report needs.</summary>
    public UploadedFile End()
    {
        Complete();
        return new UploadedFile(grant.ServerHashes ? null : Sha256Hash.FromBytes(hashers.File.GetHashAndReset()), Length, Md5);
    }

    protected abstract void Keep(int count);

    protected abstract void Complete();

    protected void EndBody(SegmentedBuffer body)
    {
        if (!grant.Md5)
            return;
        Span<byte> hash = stackalloc byte[MD5.HashSizeInBytes];
        hashers.Md5.GetHashAndReset(hash);
        Md5.Add(Convert.ToHexStringLower(hash));
        body.Md5 = hash.ToArray();
    }
}

/// <param name="Hash">SHA-256 of the compressed file; null when the server computes it.</param>
/// <param name="Md5">MD5 of the body, or of each part; empty when the grant asks for none.</param>
internal sealed record UploadedFile(Sha256Hash? Hash, long Size, IReadOnlyList<string> Md5);

/// <summary>The hash states of one thread, used for one NAR after the other.</summary>
internal sealed class Hashers : IDisposable
{
    public IncrementalHash Nar { get; } = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public IncrementalHash File { get; } = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>MD5, as object stores identify content by it: it is compared with the ETag.</summary>
    public IncrementalHash Md5 { get; } = IncrementalHash.CreateHash(HashAlgorithmName.MD5);

    /// <summary>Clears the state that a dropped NAR has left.</summary>
    public void Reset()
    {
        Span<byte> scratch = stackalloc byte[Sha256Hash.ByteLength];
        Nar.GetHashAndReset(scratch);
        File.GetHashAndReset(scratch);
        Md5.GetHashAndReset(scratch);
    }

    public void Dispose()
    {
        Nar.Dispose();
        File.Dispose();
        Md5.Dispose();
    }
}

/// <summary>One body, in one buffer whose memory has been reserved.</summary>
internal sealed class SingleOutput(Hashers hashers, SegmentedBuffer body, UploadGrant grant) : NarOutput(hashers, grant)
{
    public override Span<byte> Free() => body.Free();

    protected override void Keep(int count) => body.Advance(count);

    protected override void Complete() => EndBody(body);
}

/// <summary>Parts of exactly the part size, each handed over when it is full; the last may be smaller.</summary>
/// <param name="partSize">Bytes of every part but the last.</param>
/// <param name="begin">Waits for the memory of one part.</param>
/// <param name="ship">Takes over the buffer of a part; parts are numbered from 1.</param>
internal sealed class PartsOutput(Hashers hashers, SegmentPool pool, UploadGrant grant, long partSize, Action begin,
    Action<int, SegmentedBuffer> ship) : NarOutput(hashers, grant), IDisposable
{
    private SegmentedBuffer? _part;
    private int _number;

    public override Span<byte> Free()
    {
        if (_part is null)
        {
            begin();
            _part = new SegmentedBuffer(pool);
        }

        var free = _part.Free();
        var left = partSize - _part.Length;
        return free.Length > left ? free[..(int)left] : free;
    }

    protected override void Keep(int count)
    {
        _part!.Advance(count);
        if (_part.Length == partSize)
            Ship();
    }

    protected override void Complete()
    {
        if (_part is { Length: > 0 })
            Ship();
    }

    /// <summary>Gives back a part that was never handed over.</summary>
    public void Dispose()
    {
        _part?.Dispose();
        _part = null;
    }

    private void Ship()
    {
        EndBody(_part!);
        var part = _part!;
        _part = null;
        ship(++_number, part);
    }
}
