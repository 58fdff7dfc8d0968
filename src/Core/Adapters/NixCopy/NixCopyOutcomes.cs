namespace OrleansCache.Core.Adapters.NixCopy;

/// <summary>What <c>nix_put</c> answers.</summary>
internal enum PutOutcome
{
    /// <summary>Its push is to be published.</summary>
    Publishing,

    /// <summary>The path is live with this content.</summary>
    Present,

    /// <summary>The path is live with another content, or with this one that no server has read, and stays.</summary>
    Conflict,

    /// <summary>Other pushes or deletions work on some of the paths: ask again.</summary>
    Busy,

    /// <summary>References are not in the cache.</summary>
    References,

    /// <summary>There is no such NAR.</summary>
    Nar,

    /// <summary>A bar refuses this content.</summary>
    Withdrawn,

    /// <summary>A server must read the NAR first, which is asked for: ask again.</summary>
    Unread,

    /// <summary>The narinfo says of references or content address what the NAR denies.</summary>
    Untrue,

    /// <summary>A path of this hash, or of a reference's, is there under another name.</summary>
    Name,

    /// <summary>The path is there, and its narinfo must be written anew first.</summary>
    Renamed,

    /// <summary>The credential's holds must be extended first.</summary>
    Due,

    /// <summary>A quota is used up, as <see cref="NarInfoPut.QuotaText"/> says.</summary>
    Quota,
}

/// <summary>What <c>nix_attach</c> answers.</summary>
internal enum AttachOutcome
{
    /// <summary>Its push is to be published.</summary>
    Publishing,

    /// <summary>The paths carry it.</summary>
    Attached,

    /// <summary>It waits for its path.</summary>
    Waiting,

    /// <summary>The key is being deleted: ask again.</summary>
    Busy,
}
