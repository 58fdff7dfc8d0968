namespace OrleansCache.Cli.Push;

internal sealed record PushOptions
{
    /// <summary>zstd's level, 1 to 19.</summary>
    public int Level { get; init; } = 3;

    /// <summary>NARs read and compressed at the same time.</summary>
    public int Jobs { get; init; } = Environment.ProcessorCount;

    /// <summary>Requests with NARs or parts under way at the same time.</summary>
    public int Uploads { get; init; } = 32;

    public bool Logs { get; init; } = true;

    /// <summary>Compressed bytes in memory, all NARs together.</summary>
    public long Memory { get; init; } = 96 << 20;

    /// <summary>How often a push that has ended under our hands is begun again.</summary>
    public int BeginAgain { get; init; } = 3;

    /// <summary>The local store; a test's own, or <c>/nix/store</c>.</summary>
    public string StoreDir { get; init; } = OrleansCache.Nix.StorePath.StoreDir;

    /// <summary>Names in the store may have a suffix that is not in the NAR (Nix's <c>use-case-hack</c>).</summary>
    public bool CaseHack { get; init; }
}
