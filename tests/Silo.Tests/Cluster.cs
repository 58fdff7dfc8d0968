using OrleansCache.Testing;

namespace OrleansCache.Silo.Tests;

/// <summary>A database in which silos meet, and a view of who is there.</summary>
internal sealed class Cluster : IAsyncDisposable
{
    private readonly ProviderTables _tables;

    private Cluster(ProviderTables tables) => _tables = tables;

    public static async Task<Cluster> StartAsync(bool throughPgBouncer = false) => new(await ProviderTables.CreateAsync(throughPgBouncer));

    /// <summary>Starts a silo and waits until it serves.</summary>
    public Task<SiloProcess> AddAsync(params string[] options) => SiloProcess.StartAsync(All(options));

    /// <summary>Starts a silo that need not come to serve.</summary>
    public SiloProcess Launch(params string[] options) => SiloProcess.Launch(All(options));

    public async Task<IReadOnlyList<MembershipEntry>> MembersAsync() =>
        [.. (await _tables.Membership.ReadAllAsync()).Members.Select(m => m.Item1)];

    /// <summary>Waits until so many members have these states, and no others are there.</summary>
    public async Task BecomesAsync(params (SiloStatus Status, int Count)[] expected)
    {
        IReadOnlyList<MembershipEntry> members = [];
        await Eventually.BecomesTrueAsync(
            async () =>
            {
                members = await MembersAsync();
                return members.Count == expected.Sum(e => e.Count)
                    && expected.All(e => members.Count(m => m.Status == e.Status) == e.Count);
            },
            TimeSpan.FromMinutes(2),
            () => string.Join('\n', members));
    }

    public ValueTask DisposeAsync() => _tables.DisposeAsync();

    private string[] All(string[] options) =>
    [
        "--postgres", _tables.Catalog, "--silo-port", "0",
        .. options.Contains("--cluster-id") ? Array.Empty<string>() : ["--cluster-id", ProviderTables.Cluster],
        .. options.Contains("--silo-tls-cert") ? Array.Empty<string>() : ["--silo-plain"],
        .. options,
    ];
}
