using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>
/// Hash codes of bytes that a client chose. The function is the runtime's own for strings (Marvin), keyed by a secret of the process, so
/// nobody can make values whose codes collide. <see cref="HashCode"/> would not do: with any seed it folds each 64-bit word to 32 bits
/// before it mixes.
/// </summary>
internal static class RandomisedHash
{
    /// <param name="bytes">An even number of bytes.</param>
    public static int Of(ReadOnlySpan<byte> bytes) => string.GetHashCode(MemoryMarshal.Cast<byte, char>(bytes));
}
