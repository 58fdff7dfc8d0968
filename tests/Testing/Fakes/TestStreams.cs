namespace OrleansCache.Testing;

/// <summary>A clock that is set by hand.</summary>
internal sealed class SetClock(DateTimeOffset now) : TimeProvider
{
    public DateTimeOffset Now { get; set; } = now;

    public override DateTimeOffset GetUtcNow() => Now;
}

/// <summary>A body that gives its first half, and the rest once it is opened.</summary>
internal sealed class GatedStream(byte[] bytes) : MemoryStream(bytes)
{
    private readonly TaskCompletionSource _halfRead = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The reader has taken the first half, and asks for more.</summary>
    public Task HalfRead => _halfRead.Task;

    public void Open() => _open.SetResult();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (Position >= Length / 2)
        {
            _halfRead.TrySetResult();
            await _open.Task;
        }
        else
        {
            buffer = buffer[..(int)Math.Min(buffer.Length, (Length / 2) - Position)];
        }

        return await base.ReadAsync(buffer, cancellationToken);
    }
}

/// <summary>A body that fails after some bytes, as a connection does.</summary>
internal sealed class BreakingStream(int after) : MemoryStream(new byte[after])
{
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        await base.ReadAsync(buffer, cancellationToken) is var read and > 0 ? read : throw new IOException("the connection was reset");
}
