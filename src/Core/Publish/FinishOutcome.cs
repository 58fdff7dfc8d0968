namespace OrleansCache.Core.Publish;

/// <summary>What <c>finish_push</c> answers: the state that the push is in.</summary>
internal enum FinishOutcome
{
    /// <summary>Something is still to be written, or under a fence.</summary>
    Committing,

    /// <summary>What it supersedes has its content, and is to be written anew before the push ends.</summary>
    Changed,

    /// <summary>A bar has ended it. Nothing was published.</summary>
    Withdrawn,

    Committed,

    /// <summary>Committed; some of what it was to supersede stays, as another got there first.</summary>
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
