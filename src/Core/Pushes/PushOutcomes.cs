namespace OrleansCache.Core.Pushes;

/// <summary>What <c>open_push</c> answers. A retry joins the push of its operation, whatever state that is in.</summary>
internal enum OpenOutcome
{
    Open,
    Committing,
    Committed,
    Aborted,

    /// <summary>The operation has opened a push of another closure.</summary>
    Reused,

    /// <summary>The push has lapsed, and its promised paths have another content by now.</summary>
    Lapsed,

    /// <summary>A quota is used up, as <see cref="OpenedPush.QuotaText"/> says. Nothing was opened.</summary>
    Quota,
}

/// <summary>What <c>claim_paths</c> and <c>wait_paths</c> answer about a path, or about the push with path 0.</summary>
internal enum ClaimStatus
{
    /// <summary>It is live and promised; of a wait only.</summary>
    Present,

    /// <summary>Its NAR is there and held.</summary>
    Stored,

    /// <summary>This push uploads its NAR.</summary>
    Upload,

    /// <summary>Another push uploads its NAR, or it is published or deleted just now.</summary>
    Wait,

    /// <summary>The push has ended; of the push.</summary>
    Ended,

    /// <summary>The push does not name it; of a wait only.</summary>
    Unnamed,

    /// <summary>A bar refuses it.</summary>
    Withdrawn,

    /// <summary>A quota is used up, as <see cref="Claim.QuotaText"/> says, and nothing is claimed; of the push.</summary>
    Quota,
}

/// <summary>By whom a NAR is uploaded that a push declares.</summary>
internal enum Elsewhere
{
    /// <summary>By another push of its trust group.</summary>
    Own,

    /// <summary>By another trust group.</summary>
    Other,
}

/// <summary>The fate of a live path that a push declares too: see <c>verdict</c> in <c>publishers.sql</c>.</summary>
internal enum PathVerdict
{
    /// <summary>As declared, and usable.</summary>
    Same,

    /// <summary>With another content, by the push's own trust group: it stays.</summary>
    Own,

    /// <summary>The commit gives it this push's content.</summary>
    Supersede,

    /// <summary>Under another name: it stays.</summary>
    Misnamed,

    /// <summary>With another content: it stays.</summary>
    Other,

    /// <summary>As declared, by another group, and no server has read the bytes: it stays.</summary>
    Unread,
}

/// <summary>What <c>report_uploads</c> answers about an upload, or about the push.</summary>
internal enum UploadOutcome
{
    /// <summary>Now or before.</summary>
    Stored,

    /// <summary>The grant has.</summary>
    Ended,

    /// <summary>The push has; of the push.</summary>
    PushEnded,
}

/// <summary>What <c>commit_push</c> answers.</summary>
internal enum CommitOutcome
{
    /// <summary>Now or before.</summary>
    Committed,

    /// <summary>Begun by this call.</summary>
    Publishing,

    /// <summary>Begun before.</summary>
    Committing,

    /// <summary>Paths must be uploaded.</summary>
    Missing,

    /// <summary>Paths must be declared.</summary>
    Undeclared,

    /// <summary>A server must read the NARs of paths first, which is asked for: ask again.</summary>
    Unread,

    /// <summary>Paths declare a reference or a content address that the bytes of their NARs deny.</summary>
    Untrue,

    /// <summary>Other pushes or deletions work on some of the paths: ask again.</summary>
    Busy,

    /// <summary>Paths are live with another content or name, on the word of an equal or higher rank.</summary>
    Conflict,

    /// <summary>Committed, but for the pin: an equal rank has taken paths of it.</summary>
    Refused,

    /// <summary>A bar refuses paths.</summary>
    Withdrawn,

    Aborted,

    /// <summary>There is no such push.</summary>
    Unknown,

    /// <summary>Too large for a group; <see cref="GroupedPushCatalog"/> commits it alone, and no caller sees this.</summary>
    Large,
}

/// <summary>The state of a push's row: <c>push_state</c>.</summary>
internal enum PushRowState
{
    Open,
    Committing,
    Committed,
    Aborted,

    /// <summary>There is no such row, as <c>renew_push</c> spells it.</summary>
    Unknown,
}
