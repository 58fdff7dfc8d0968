namespace OrleansCache.Cli.Push;

internal sealed record PushOptions
{
    /// <summary>zstd's level, 1 to 19.</summary>
    public int Level { get; init; } = 3;

    /// <summary>How many NARs are read and compressed at one time.</summary>
    public int Jobs { get; init; } = Environment.ProcessorCount;

    /// <summary>How many requests with NARs or parts are under way at one time.</summary>
    public int Uploads { get; init; } = 32;

    public bool Logs { get; init; } = true;

    /// <summary>What an upstream of the cache has need not be sent.</summary>
    public bool Upstream { get; init; } = true;

    /// <summary>How many build logs are read at one time.</summary>
    public int LogReaders { get; init; } = 1;

    /// <summary>The most compressed bytes in memory, of all NARs together.</summary>
    public long Memory { get; init; } = 96 << 20;

    /// <summary>How often a push that ended before its commit is begun again.</summary>
    public int BeginAgain { get; init; } = 3;

    /// <summary>The local store: <c>/nix/store</c>, or a test's own.</summary>
    public string StoreDir { get; init; } = OrleansCache.Nix.StorePath.StoreDir;

    /// <summary>Names on disk may have a suffix that the NAR does not have (Nix's <c>use-case-hack</c>).</summary>
    public bool CaseHack { get; init; }
}
