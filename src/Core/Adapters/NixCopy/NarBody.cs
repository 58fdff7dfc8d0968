using System.Buffers;
using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.NixCopy;

/// <summary>
/// The body of a NAR while it arrives; its reader, the decompressor, drives it. It hashes what is read and collects it in parts. A body
/// that ends before its declared length is an error.
/// </summary>
internal sealed class NarBody(Stream inner, long length, int partSize, Func<ReadOnlyMemory<byte>, Task> sendPart) : ReadOnlyStream
{
    private const int DrainSize = 64 << 10;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly NarParts _parts = new(partSize, length, sendPart);
    private long _read;

    public override long Length => length;

    public override long Position { get => _read; set => throw new NotSupportedException(); }

    /// <inheritdoc cref="NarParts.Rest"/>
    public ReadOnlyMemory<byte> Rest => _parts.Rest;

    /// <inheritdoc cref="NarParts.Sent"/>
    public Task Sent => _parts.Sent;

    /// <summary>The hash of all bytes read; may be asked once.</summary>
    public Sha256Hash Finish() => Sha256Hash.FromBytes(_hash.GetHashAndReset());

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_read == length || buffer.IsEmpty)
            return 0;
        var most = (int)Math.Min(Math.Min(buffer.Length, length - _read), await _parts.MakeRoomAsync());
        var read = await inner.ReadAsync(buffer[..most], cancellationToken);
        if (read == 0)
            throw new CacheProblemException(ProblemKind.BadRequest,
                $"The body ended after {_read} of {length} bytes; nothing was stored. Send it again, whole: run the command again.");
        _hash.AppendData(buffer.Span[..read]);
        _parts.Add(buffer.Span[..read]);
        _read += read;
        return read;
    }

    /// <summary>Reads the bytes that the decompressor left.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(DrainSize);
        try
        {
            while (await ReadAsync(buffer, cancellationToken) > 0)
            {
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <inheritdoc cref="NarParts.ReleaseAsync"/>
    public async Task ReleaseAsync()
    {
        await _parts.ReleaseAsync();
        _hash.Dispose();
    }

    public override int Read(Span<byte> buffer) => throw new NotSupportedException();
}
