using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Inspect;

/// <summary>Whether an object has to be in the bucket, by its rows.</summary>
internal enum Presence
{
    MustNot,

    /// <summary>It is being written or deleted.</summary>
    May,
    Must,
}

/// <summary>What the catalog says about one key: nothing, or one of the rows below.</summary>
/// <param name="Id">The row's id.</param>
/// <param name="Version">Changes with every change of the rows that this record shows.</param>
internal abstract record FsckRow(long Id, string Version);

/// <param name="Path">The path.</param>
/// <param name="State">A node_state.</param>
/// <param name="HasListing">It has a listing.</param>
/// <param name="Recorded">The bucket has the newest narinfo; otherwise signatures are being added.</param>
/// <param name="HasIntent">A write or deletion of its narinfo may be under way.</param>
/// <param name="Expected">What its narinfo says; null while the row has no whole content.</param>
internal sealed record PathRow(long Id, string Version, StorePath Path, string State, bool HasListing, bool Recorded, bool HasIntent,
    NarInfo? Expected) : FsckRow(Id, Version)
{
    public Presence NarInfo => State switch
    {
        "live" or "condemned" => Presence.Must,
        "publishing" or "deleting" => Presence.May,
        _ => HasIntent ? Presence.May : Presence.MustNot,
    };

    // The deletion of a path leaves a listing that the row does not know.
    public Presence Listing => NarInfo == Presence.Must && !HasListing ? Presence.MustNot : NarInfo;
}

/// <param name="Key">Its key.</param>
/// <param name="IsNar">Not a log or a realisation.</param>
/// <param name="State">A node_state.</param>
/// <param name="HasIntent">A write or deletion may be under way.</param>
/// <param name="FileSize">Bytes in the bucket, where the row knows.</param>
internal sealed record ObjectRow(long Id, string Version, ObjectKey Key, bool IsNar, string State, bool HasIntent, long? FileSize)
    : FsckRow(Id, Version)
{
    public Presence Presence => State switch
    {
        "live" or "condemned" => Presence.Must,
        // The bytes of a stored log are in the row until its push commits.
        "stored" when IsNar => Presence.Must,
        "gone" when !HasIntent => Presence.MustNot,
        _ => Presence.May,
    };

    public long? MustHaveSize => Presence == Presence.Must ? FileSize : null;
}

/// <param name="Name">Its name.</param>
/// <param name="Path">What it names.</param>
/// <param name="Deleted">Its object is being deleted.</param>
/// <param name="Recorded">The bucket has the newest revision.</param>
internal sealed record PinRow(long Id, string Version, string Name, StorePath? Path, bool Deleted, bool Recorded) : FsckRow(Id, Version)
{
    public Presence Presence => Deleted || !Recorded ? Presence.May : Presence.Must;
}
