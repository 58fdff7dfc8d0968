using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Store;

/// <summary>
/// Keys of their own for uploads: <c>nar/&lt;52 nix32 characters&gt;.nar.zst</c>. Keys minted together share their first
/// 16 characters (80 random bits), so that one listing checks them all; the other 36 are random too.
/// </summary>
internal static class MintedKeys
{
    public const int SharedLength = 16;

    /// <summary>The ending of files that our clients make.</summary>
    public const string Ending = ".nar.zst";

    private const string Nar = ".nar";

    public static IReadOnlyList<ObjectKey> Mint(int count)
    {
        if (count == 0)
            return [];
        Span<byte> random = stackalloc byte[32];
        RandomNumberGenerator.Fill(random);
        var shared = Nix32.Encode(random)[..SharedLength];
        var keys = new ObjectKey[count];
        for (var i = 0; i < count; i++)
        {
            RandomNumberGenerator.Fill(random);
            keys[i] = ObjectKey.Parse($"nar/{shared}{Nix32.Encode(random)[SharedLength..]}{Ending}");
        }

        return keys;
    }

    /// <summary>One key, for a file that ends so: <c>.nar.xz</c>.</summary>
    public static ObjectKey MintOne(string ending)
    {
        Span<byte> random = stackalloc byte[32];
        RandomNumberGenerator.Fill(random);
        return ObjectKey.Parse($"nar/{Nix32.Encode(random)}{ending}");
    }

    /// <summary>The ending of a NAR's key, such as <c>.nar.xz</c>, which says how its file is compressed.</summary>
    public static string EndingOf(ObjectKey key) => key.ToString() is var text
        && text.IndexOf(Nar, StringComparison.Ordinal) is >= 0 and var at ? text[at..] : "";

    /// <summary>The key with another ending; null: the same.</summary>
    public static ObjectKey WithEnding(ObjectKey key, string? ending) =>
        ending is null ? key : ObjectKey.Parse(key.ToString()[..^EndingOf(key).Length] + ending);

    /// <summary>The prefix under which a listing finds all keys that were minted with this one.</summary>
    public static string SharedPrefix(ObjectKey key) => key.ToString()[..("nar/".Length + SharedLength)];
}
