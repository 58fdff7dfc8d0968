namespace OrleansCache.Core.Publish;

/// <summary>What <c>finish_push</c> answers: the state that the push is in.</summary>
internal enum FinishOutcome
{
    /// <summary>A write is missing, or a fence is open.</summary>
    Committing,

    /// <summary>The superseded paths have their new content; their narinfos must be written before the push ends.</summary>
    Changed,

    /// <summary>A bar has ended it. Nothing was published.</summary>
    Withdrawn,

    Committed,

    /// <summary>Committed; some paths that it was to supersede stay, as another push was first.</summary>
    Overtaken,

    /// <summary>It was committed before, without its pin.</summary>
    Refused,

    /// <summary>It has ended before.</summary>
    Aborted,

    /// <summary>It is not committing yet.</summary>
    Open,

    /// <summary>There is no such push.</summary>
    Unknown,
}
