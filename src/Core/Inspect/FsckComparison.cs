using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Inspect;

/// <summary>What is in the bucket under a key.</summary>
/// <param name="Size">Bytes.</param>
/// <param name="ETag">As a listing tells it.</param>
/// <param name="Text">The content, of narinfos and pins that were read.</param>
internal sealed record FoundObject(long Size, string? ETag, string? Text = null);

/// <summary>Compares one key's row with its object. A row in transition allows each content that it may have.</summary>
internal static class FsckComparison
{
    /// <summary>True when a listing's entry shows that nothing is wrong. False is a suspicion: the object has to be looked at.</summary>
    public static bool IsRight(FsckKey key, FsckRow? row, FoundObject listed) => row switch
    {
        PathRow { NarInfo: Presence.Must } path when key.Kind == KeyKind.NarInfo => path.Expected is { } info
            && HasContent(listed, info.Print()),
        PathRow path => (key.Kind == KeyKind.NarInfo ? path.NarInfo : path.Listing) != Presence.MustNot,
        ObjectRow item => item.Presence != Presence.MustNot && (item.MustHaveSize is null || item.MustHaveSize == listed.Size),
        PinRow { Presence: Presence.Must } pin => pin.Path is { } path && HasContent(listed, path.ToString()),
        PinRow => true,
        _ => false,
    };

    /// <summary>What is wrong; null when nothing is. Narinfos and pins come with their text.</summary>
    public static FsckFinding? Compare(FsckKey key, FsckRow? row, FoundObject? found) => row switch
    {
        PathRow path when key.Kind == KeyKind.NarInfo => PresenceOf(key, path.NarInfo, found, path.Path, $"path is {path.State}")
            ?? NarInfoOf(key, path, found),
        PathRow path =>
            PresenceOf(key, path.Listing, found, path.Path, $"path is {path.State}{(path.HasListing ? "" : " without a listing")}"),
        ObjectRow item => PresenceOf(key, item.Presence, found, null, $"row is {item.State}") ?? SizeOf(key, item, found),
        PinRow pin => PresenceOf(key, pin.Presence, found, pin.Path, "pin is there") ?? ContentOf(key, pin, found),
        _ => found is null ? null : Finding(FsckKind.UnknownObject, key, null, "No row of the catalog knows it."),
    };

    private static FsckFinding? PresenceOf(FsckKey key, Presence presence, FoundObject? found, StorePath? path, string state) =>
        (presence, found) switch
        {
            (Presence.Must, null) => Finding(FsckKind.MissingObject, key, path, $"It is not in the bucket, and its {state}."),
            (Presence.MustNot, not null) =>
                Finding(FsckKind.UnknownObject, key, path, $"It is in the bucket, and its {state}: nothing will delete it."),
            _ => null,
        };

    private static FsckFinding? SizeOf(FsckKey key, ObjectRow row, FoundObject? found) => found is not null && row.MustHaveSize is { } size
        && size != found.Size
        ? Finding(FsckKind.WrongSize, key, null, $"It has {found.Size} bytes; {size} were recorded.")
        : null;

    private static FsckFinding? ContentOf(FsckKey key, PinRow row, FoundObject? found)
    {
        if (row.Presence != Presence.Must || found?.Text is null || row.Path is not { } path || found.Text.Trim() == path.ToString())
            return null;
        return Finding(FsckKind.WrongPin, key, path, $"It names {Quote(found.Text)}; the pin is {path}.");
    }

    private static FsckFinding? NarInfoOf(FsckKey key, PathRow row, FoundObject? found)
    {
        if (row.NarInfo != Presence.Must || found?.Text is null || row.Expected is not { } expected)
            return null;
        if (!NarInfo.TryParse(found.Text, out var info, out var error))
            return Finding(FsckKind.WrongNarinfo, key, row.Path, $"It is no narinfo: {error}.");
        var wrong = new List<string>();
        Compare("StorePath", info.StorePath == expected.StorePath);
        Compare("URL", info.Url == expected.Url);
        Compare("Compression", info.Compression == expected.Compression);
        Compare("FileHash", info.FileHash == expected.FileHash);
        Compare("FileSize", info.FileSize == expected.FileSize);
        Compare("NarHash", info.NarHash == expected.NarHash);
        Compare("NarSize", info.NarSize == expected.NarSize);
        Compare("References", info.References.SequenceEqual(expected.References));
        Compare("Deriver", info.Deriver == expected.Deriver);
        Compare("CA", info.Ca == expected.Ca);
        // Signatures that are being added are in the row first.
        Compare("Sig", !row.Recorded || info.Signatures.ToHashSet(StringComparer.Ordinal).SetEquals(expected.Signatures));
        return wrong.Count == 0 ? null
            : Finding(FsckKind.WrongNarinfo, key, row.Path, $"It differs from its row in {string.Join(", ", wrong)}.");

        void Compare(string field, bool same)
        {
            if (!same)
                wrong.Add(field);
        }
    }

    // Compares the MD5 of a body that was put at once, where the store vouches for it.
    private static bool HasContent(FoundObject listed, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return listed.Size == bytes.Length && string.Equals(listed.ETag, Convert.ToHexStringLower(MD5.HashData(bytes)),
            StringComparison.OrdinalIgnoreCase);
    }

    private static string Quote(string text) => $"'{(text.Length <= 300 ? text : text[..300] + "…").ReplaceLineEndings(" ").Trim()}'";

    private static FsckFinding Finding(FsckKind kind, FsckKey key, StorePath? path, string detail) =>
        new() { Kind = kind, Key = key.Key.ToString(), Path = path, Detail = detail };
}
