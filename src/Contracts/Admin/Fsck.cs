using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// A difference between catalog and bucket, or a contradiction within the catalog: one line of the answer of <c>fsck</c>.
/// </summary>
public sealed record FsckFinding
{
    public required FsckKind Kind { get; init; }

    /// <summary>The key in the bucket.</summary>
    public required string Key { get; init; }

    /// <summary>The path concerned, where there is one.</summary>
    public StorePath? Path { get; init; }

    public required string Detail { get; init; }
}

public enum FsckKind
{
    /// <summary>The bucket does not have an object that the catalog records there.</summary>
    MissingObject,

    /// <summary>The bucket has an object that no row will ever delete or commit.</summary>
    UnknownObject,

    /// <summary>The object has another size than its row.</summary>
    WrongSize,

    /// <summary>The narinfo differs from its row.</summary>
    WrongNarinfo,

    /// <summary>A live path needs a path or an object that is not live, or a pin's path is not.</summary>
    DanglingReference,

    /// <summary><c>pins/&lt;name&gt;</c> names another path than the pin's row.</summary>
    WrongPin,

    /// <summary>An open multipart upload under one of our keys, without a row.</summary>
    UnknownMultipart,

    /// <summary>A row that is to be published, deleted or written again is not in the list for that, or a wrong row is in it.</summary>
    WrongList,

    /// <summary><c>nix-cache-info</c> differs from what the answering server would write.</summary>
    WrongCacheInfo,
}

/// <summary>The last line of the answer of <c>fsck</c>; an answer without it was cut off.</summary>
public sealed record FsckSummary
{
    public required FsckChecked Checked { get; init; }

    public required long Findings { get; init; }
}

/// <summary>How much was checked.</summary>
/// <param name="Keys">Keys of the bucket that are of a kind that we write.</param>
/// <param name="Paths">Live and condemned paths.</param>
/// <param name="Objects">Rows of NARs, logs and realisations.</param>
/// <param name="Pins">Pins.</param>
/// <param name="Multiparts">Open multipart uploads.</param>
public sealed record FsckChecked(long Keys, long Paths, long Objects, long Pins, long Multiparts);

public sealed class FsckKindConverter() : JsonStringEnumConverter<FsckKind>(JsonNamingPolicy.KebabCaseLower);
