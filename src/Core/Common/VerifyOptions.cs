namespace OrleansCache.Core.Common;

/// <summary>What a server must have read in the store before it is relied on.</summary>
public enum VerifyPolicy
{
    /// <summary>Nothing: what is uploaded is what was declared. For one trust group.</summary>
    Off,

    /// <summary>What another trust group is about to rely on, and what is to replace a live path.</summary>
    Adopt,

    /// <summary>Everything, before it is published.</summary>
    Always,
}

/// <summary>Verification of stored NARs. All processes of a catalog must agree on the policy.</summary>
public sealed record VerifyOptions
{
    public VerifyPolicy Policy { get; init; } = VerifyPolicy.Off;

    /// <summary>Stored bytes per second that the scrub reads again, over all servers; 0: no scrub.</summary>
    public long ScrubRate { get; init; } = 4 << 20;

    /// <summary>NARs that this process reads at once; their buffers and windows are its memory. 0: it reads none.</summary>
    public int AtOnce { get; init; } = 4;

    /// <summary>This process reads only what nobody has for so long: it is far from the bucket.</summary>
    public TimeSpan After { get; init; }
}
