using System.Buffers;
using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.NixCopy;

/// <summary>
/// The body of a NAR while it arrives; its reader, the decompressor, drives it. It hashes and collects what is read. Each time a part is
/// full and more follows, it sends that part and begins the next, so at most two parts are in memory. A body that ends before its declared
/// length is an error.
/// </summary>
internal sealed class NarBody(Stream inner, long length, int partSize, Func<ReadOnlyMemory<byte>, Task> sendPart) : ReadOnlyStream
{
    private const int FirstSize = 64 << 10;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private byte[] _part = ArrayPool<byte>.Shared.Rent((int)Math.Min(FirstSize, Math.Max(length, 1)));
    private byte[]? _sending;
    private Task _sent = Task.CompletedTask;
    private int _filled;
    private long _read;

    public override long Length => length;

    public override long Position { get => _read; set => throw new NotSupportedException(); }

    /// <summary>The collected bytes that were not sent: the last part, or all of a body that fits into one.</summary>
    public ReadOnlyMemory<byte> Rest => _part.AsMemory(0, _filled);

    /// <summary>All parts that were handed on have been sent.</summary>
    public Task Sent => _sent;

    /// <summary>The hash of all bytes read; may be asked once.</summary>
    public Sha256Hash Finish() => Sha256Hash.FromBytes(_hash.GetHashAndReset());

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_read == length || buffer.IsEmpty)
            return 0;
        if (_filled == partSize)
            await NextPartAsync();
        var most = (int)Math.Min(Math.Min(buffer.Length, length - _read), partSize - _filled);
        var read = await inner.ReadAsync(buffer[..most], cancellationToken);
        if (read == 0)
            throw new CacheProblemException(ProblemKind.BadRequest,
                $"The body ended after {_read} of {length} bytes; nothing was stored. Send it again, whole: run the command again.");
        _hash.AppendData(buffer.Span[..read]);
        Grow(_filled + read);
        buffer.Span[..read].CopyTo(_part.AsSpan(_filled));
        _filled += read;
        _read += read;
        return read;
    }

    /// <summary>Reads the bytes that the decompressor left.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(FirstSize);
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

    /// <summary>Returns the memory, after a part that is still being sent.</summary>
    public async Task ReleaseAsync()
    {
        await _sent.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ArrayPool<byte>.Shared.Return(_part);
        if (_sending is not null)
            ArrayPool<byte>.Shared.Return(_sending);
        _hash.Dispose();
    }

    public override int Read(Span<byte> buffer) => throw new NotSupportedException();

    private async Task NextPartAsync()
    {
        await _sent;
        var free = _sending ?? ArrayPool<byte>.Shared.Rent(partSize);
        _sending = _part;
        _sent = sendPart(_part.AsMemory(0, _filled));
        _part = free;
        _filled = 0;
    }

    // Memory grows with the bytes that arrive, as a declared length proves nothing.
    private void Grow(int size)
    {
        if (size <= _part.Length)
            return;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Min(partSize, Math.Max(size, _part.Length * 4)));
        _part.AsSpan(0, _filled).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_part);
        _part = larger;
    }
}
