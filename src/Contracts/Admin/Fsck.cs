using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// Something in which the catalog and the bucket differ, or the catalog contradicts itself. One line of the answer of <c>fsck</c>.
/// </summary>
public sealed record FsckFinding
{
    public required FsckKind Kind { get; init; }

    /// <summary>The key in the bucket.</summary>
    public required string Key { get; init; }

    /// <summary>The path that it is about, where there is one.</summary>
    public StorePath? Path { get; init; }

    public required string Detail { get; init; }
}

public enum FsckKind
{
    /// <summary>The catalog says that it is in the bucket, and it is not.</summary>
    MissingObject,

    /// <summary>It is in the bucket, and no row will ever delete or commit it.</summary>
    UnknownObject,

    /// <summary>It has another size than its row.</summary>
    WrongSize,

    /// <summary>A narinfo says something else than its row.</summary>
    WrongNarinfo,

    /// <summary>A live path needs a path or an object that is not live, or a pin's path is not.</summary>
    DanglingReference,

    /// <summary><c>pins/&lt;name&gt;</c> names another path than the pin's row.</summary>
    WrongPin,

    /// <summary>An open multipart upload under one of our keys that no row knows.</summary>
    UnknownMultipart,

    /// <summary>
    /// A row that is to be published, deleted or written again is not in the list where that is looked for, or another one is.
    /// </summary>
    WrongList,

    /// <summary><c>nix-cache-info</c> is not what the server that answers would write.</summary>
    WrongCacheInfo,
}

/// <summary>The last line of the answer of <c>fsck</c>; an answer without it was cut off.</summary>
public sealed record FsckSummary
{
    public required FsckChecked Checked { get; init; }

    public required long Findings { get; init; }
}

/// <summary>How much was looked at.</summary>
/// <param name="Keys">Keys of the bucket that are of a kind that we write.</param>
/// <param name="Paths">Live and condemned paths.</param>
/// <param name="Objects">Rows of NARs, logs and realisations.</param>
/// <param name="Pins">Pins.</param>
/// <param name="Multiparts">Open multipart uploads.</param>
public sealed record FsckChecked(long Keys, long Paths, long Objects, long Pins, long Multiparts);

public sealed class FsckKindConverter() : JsonStringEnumConverter<FsckKind>(JsonNamingPolicy.KebabCaseLower);
