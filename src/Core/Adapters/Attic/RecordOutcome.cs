namespace OrleansCache.Core.Adapters.Attic;

/// <summary>What <c>attic_record</c> answers.</summary>
internal enum RecordOutcome
{
    /// <summary>The path is recorded.</summary>
    Waiting,

    /// <summary>Its NAR is not there any more.</summary>
    Nar,

    /// <summary>The publisher's holds must be extended first.</summary>
    Due,

    /// <summary>So many paths of the publisher wait that no more are taken.</summary>
    Full,

    /// <summary>A quota is used up.</summary>
    Quota,
}
