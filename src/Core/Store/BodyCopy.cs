using System.Buffers;

namespace OrleansCache.Core.Store;

/// <summary>Reads a body of a declared length in large pieces.</summary>
internal static class BodyCopy
{
    private const int PieceSize = 256 * 1024;

    /// <returns>False when the body was shorter or longer than declared.</returns>
    public static async Task<bool> RunAsync(Stream body, long length, Func<ReadOnlyMemory<byte>, long, ValueTask> write,
        CancellationToken cancellationToken)
    {
        // It asks for one byte more than declared: that shows the end, or a body that is too long.
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(PieceSize, length) + 1);
        try
        {
            long received = 0;
            while (true)
            {
                var want = (int)Math.Min(buffer.Length - 1, length - received) + 1;
                var read = await body.ReadAtLeastAsync(buffer.AsMemory(0, want), want, throwOnEndOfStream: false, cancellationToken);
                if (received + read > length)
                    return false;
                if (read > 0)
                {
                    await write(buffer.AsMemory(0, read), received);
                    received += read;
                }

                if (read < want)
                    return received == length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
