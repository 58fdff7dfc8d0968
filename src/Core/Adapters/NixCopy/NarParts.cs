using System.Buffers;

namespace OrleansCache.Core.Adapters.NixCopy;

/// <summary>
/// Collects the bytes of a NAR's file. Each time a part is full and more follows, it sends that part and begins the next, so at most two
/// parts are in memory.
/// </summary>
/// <param name="expected">About how many bytes will come: a guess, as memory grows with the bytes.</param>
internal sealed class NarParts(int partSize, long expected, Func<ReadOnlyMemory<byte>, Task> sendPart)
{
    private const int FirstSize = 64 << 10;
    private byte[] _part = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(expected, 1, FirstSize));
    private byte[]? _sending;
    private int _filled;

    /// <summary>The collected bytes that were not sent: the last part, or all of a file that fits into one.</summary>
    public ReadOnlyMemory<byte> Rest => _part.AsMemory(0, _filled);

    /// <summary>All parts that were handed on have been sent.</summary>
    public Task Sent { get; private set; } = Task.CompletedTask;

    /// <summary>How many bytes can be added now, at least one: a full part is handed on first.</summary>
    public async ValueTask<int> MakeRoomAsync()
    {
        if (_filled == partSize)
        {
            await Sent;
            var free = _sending ?? ArrayPool<byte>.Shared.Rent(partSize);
            _sending = _part;
            Sent = sendPart(_part.AsMemory(0, _filled));
            _part = free;
            _filled = 0;
        }

        return partSize - _filled;
    }

    /// <param name="bytes">At most as many as there is room for.</param>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        var size = _filled + bytes.Length;
        // Memory grows with the bytes that arrive, as a declared length proves nothing.
        if (size > _part.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Min(partSize, Math.Max(size, _part.Length * 4)));
            Rest.Span.CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_part);
            _part = larger;
        }

        bytes.CopyTo(_part.AsSpan(_filled));
        _filled = size;
    }

    /// <summary>Returns the memory, after a part that is still being sent.</summary>
    public async Task ReleaseAsync()
    {
        await Sent.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ArrayPool<byte>.Shared.Return(_part);
        if (_sending is not null)
            ArrayPool<byte>.Shared.Return(_sending);
    }
}
