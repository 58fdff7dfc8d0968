using OrleansCache.Contracts;
using OrleansCache.Core.Store.S3;
using OrleansCache.Nix;

namespace OrleansCache.Core.Inspect;

internal enum KeyKind
{
    /// <summary>A well-known key, or a key of another form, which is not ours.</summary>
    Other,
    NarInfo,
    Listing,

    /// <summary>A NAR, log or realisation: a row of its own.</summary>
    Object,
    Pin,
}

/// <summary>A key of the bucket by what it stands for.</summary>
/// <param name="Key">The key.</param>
/// <param name="Kind">Which rows tell about it.</param>
/// <param name="Path">Of a narinfo or listing: whose.</param>
/// <param name="Name">Of a pin: its name.</param>
internal readonly record struct FsckKey(ObjectKey Key, KeyKind Kind, StorePathHash Path = default, string? Name = null)
{
    private const string Pins = "pins/";
    private static readonly string[] Objects = ["nar/", "log/", "realisations/", "build-trace-v2/", "debuginfo/"];

    public static FsckKey Of(ObjectKey key)
    {
        var text = key.ToString();
        if (text.StartsWith(Pins, StringComparison.Ordinal))
            return new FsckKey(key, KeyKind.Pin, Name: text[Pins.Length..]);
        if (text.StartsWith($"nar/{S3KeyProbe.Name}", StringComparison.Ordinal))
            return new FsckKey(key, KeyKind.Other);
        if (Array.Exists(Objects, prefix => text.StartsWith(prefix, StringComparison.Ordinal)))
            return new FsckKey(key, KeyKind.Object);
        var dot = text.IndexOf('.', StringComparison.Ordinal);
        if (dot < 0 || !StorePathHash.TryParse(text.AsSpan(0, dot), out var hash))
            return new FsckKey(key, KeyKind.Other);
        return text.AsSpan(dot) switch
        {
            ".narinfo" => new FsckKey(key, KeyKind.NarInfo, hash),
            ".ls" => new FsckKey(key, KeyKind.Listing, hash),
            _ => new FsckKey(key, KeyKind.Other),
        };
    }

    public static FsckKey NarInfo(StorePathHash path) => new(ObjectKey.NarInfo(path), KeyKind.NarInfo, path);

    public static FsckKey Listing(StorePathHash path) => new(ObjectKey.Listing(path), KeyKind.Listing, path);

    public static FsckKey Pin(string name) => new(ObjectKey.Parse(Pins + name), KeyKind.Pin, Name: name);
}
