using OrleansCache.Cli.Push;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <summary>Passes on what is read, and puts it into the output, too.</summary>
/// <param name="bound">The most bytes that there is room for.</param>
internal sealed class CopyingStream(Stream inner, NarOutput output, long bound) : ReadOnlyStream
{
    public override int Read(Span<byte> buffer)
    {
        var count = inner.Read(buffer);
        if (output.Length + count > bound)
            throw new InvalidDataException($"the file is larger than the {bound} bytes that its NAR can be compressed to");
        for (ReadOnlySpan<byte> left = buffer[..count]; !left.IsEmpty;)
        {
            var free = output.Free();
            var some = Math.Min(free.Length, left.Length);
            left[..some].CopyTo(free);
            output.Advance(free[..some]);
            left = left[some..];
        }

        return count;
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult(Read(buffer.Span));
}
