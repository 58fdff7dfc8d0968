namespace OrleansCache.Core.Pins;

/// <summary>What <c>set_pin</c>, <c>rollback_pin</c> and <c>delete_pin</c> answer.</summary>
internal enum PinOutcome
{
    Made,
    Moved,
    Deleted,

    /// <summary>It is not at the expected revision.</summary>
    Changed,

    /// <summary>It is not at the revision that the asker's memory says. Nothing was done or noted.</summary>
    Stale,

    /// <summary>The path, or something that it needs, is not in the cache.</summary>
    Absent,

    /// <summary>The path has another NAR than the caller expects.</summary>
    Other,

    /// <summary>Another group published the path or something that it needs, and no server has read the bytes.</summary>
    Unread,

    /// <summary>An upstream has something that the path needs, and the cache has not.</summary>
    Boundary,

    /// <summary>The operation id belongs to another request.</summary>
    Reused,

    /// <summary>There is no such pin.</summary>
    Unknown,

    /// <summary>The history has no such revision.</summary>
    NoRevision,
}
