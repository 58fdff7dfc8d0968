using OrleansCache.Contracts;
using OrleansCache.Core.Store;

namespace OrleansCache.Gateway.Parts;

/// <summary>Compares a small file that servers write into the bucket with its intended content.</summary>
internal static class StoredObject
{
    /// <summary>True when the object has these bytes; null when there is no such object.</summary>
    public static async Task<bool?> IsAsync(IObjectStore store, ObjectKey key, byte[] expected, CancellationToken cancellationToken)
    {
        await using var stored = await store.GetAsync(key, null, cancellationToken);
        if (stored is null)
            return null;
        if (stored.Length != expected.Length)
            return false;
        var bytes = new byte[expected.Length];
        await stored.Stream.ReadExactlyAsync(bytes, cancellationToken);
        return bytes.AsSpan().SequenceEqual(expected);
    }
}
