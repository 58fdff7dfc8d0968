using System.Runtime.InteropServices;

namespace OrleansCache.Core.Store;

/// <summary>A body in memory as a stream, without a copy where it is an array.</summary>
internal static class MemoryBody
{
    public static MemoryStream AsStream(ReadOnlyMemory<byte> body) => MemoryMarshal.TryGetArray(body, out var array)
        ? new MemoryStream(array.Array!, array.Offset, array.Count, writable: false)
        : new MemoryStream(body.ToArray(), writable: false);
}
