namespace OrleansCache.Core.Adapters.Niks3;

/// <summary>What <c>declare_paths</c> answers about a path, or about the push.</summary>
internal enum DeclareOutcome
{
    Declared,

    /// <summary>The push was promised it.</summary>
    Present,

    /// <summary>It is no path of this push.</summary>
    Unnamed,

    /// <summary>The declaration differs from what the push was opened with.</summary>
    Differs,

    /// <summary>The cache has this path, or one that it refers to, under another name.</summary>
    OtherName,

    /// <summary>The push is not open; of the push.</summary>
    PushEnded,
}
