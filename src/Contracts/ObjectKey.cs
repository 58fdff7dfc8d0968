using System.Diagnostics.CodeAnalysis;
using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// A key in the bucket, relative to its cache's prefix: at most 512 bytes of printable ASCII, at most 255 a segment, without control
/// characters and without an empty, <c>.</c> or <c>..</c> segment.
/// </summary>
public readonly record struct ObjectKey
{
    // The limit of a file name, as a directory store makes each segment one.
    private const int MaxSegment = 255;

    private readonly string? _value;

    private ObjectKey(string value) => _value = value;

    public static ObjectKey NixCacheInfo { get; } = new("nix-cache-info");

    /// <summary>The page of the cache, for people.</summary>
    public static ObjectKey Page { get; } = new("index.html");

    public static ObjectKey NarInfo(StorePathHash path) => new($"{path}.narinfo");

    public static ObjectKey Listing(StorePathHash path) => new($"{path}.ls");

    public static ObjectKey Pin(PinName name) => new($"pins/{name}");

    public static ObjectKey Log(StorePath drv) => new($"log/{drv.BaseName}");

    /// <summary>
    /// <c>realisations/&lt;id&gt;.doi</c>, or <c>build-trace-v2/&lt;drv&gt;/&lt;output&gt;.doi</c> for an id of the form <c>drv^output</c>.
    /// </summary>
    public static ObjectKey Realisation(RealisationId id) =>
        new(id.Derivation is { } derivation ? $"build-trace-v2/{derivation}/{id.Output}.doi" : $"realisations/{id}.doi");

    public static bool TryParse([NotNullWhen(true)] string? text, out ObjectKey key)
    {
        key = default;
        if (text is null || text.Length is 0 or > 512 || text.AsSpan().ContainsAnyExceptInRange(' ', '~')
            || text.Contains('\\', StringComparison.Ordinal))
            return false;
        foreach (var segment in text.AsSpan().Split('/'))
        {
            if (text.AsSpan(segment) is "" or "." or ".." or { Length: > MaxSegment })
                return false;
        }

        key = new ObjectKey(text);
        return true;
    }

    public static ObjectKey Parse(string text) => TryParse(text, out var key) ? key
        : throw new FormatException($"'{text}' is not an object key");

    public override string ToString() => _value ?? "";
}
