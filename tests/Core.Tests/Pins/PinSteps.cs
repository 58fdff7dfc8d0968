using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pins;

/// <summary>What a test does with pins, in one line each.</summary>
internal static class PinSteps
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static PinName Name(string name) => PinName.Parse(name);

    public static async Task<Pin> PinAsync(
        this World world, string name, string path, int? keep = null, TimeSpan? life = null, PinCondition condition = default,
        string? operation = null, IPins? pins = null, TimeSpan? patience = null) =>
        (await (pins ?? world.Core.Pins).SetAsync(
            CacheName.Default, Name(name), new SetPin
            {
                Path = World.Path(path).Path,
                KeepRevisions = keep,
                ExpiresSeconds = life?.TotalSeconds
            }, condition, Operation(operation),
            patience ?? Patience, CancellationToken.None)).Pin;

    public static async Task<Pin> RollbackAsync(this World world, string name, long? revision = null, PinCondition condition = default,
        string? operation = null) =>
        (await world.Core.Pins.RollbackAsync(CacheName.Default, Name(name), new RollbackPin { Revision = revision }, condition,
            Operation(operation), Patience, CancellationToken.None)).Pin;

    public static Task<bool> UnpinAsync(this World world, string name, PinCondition condition = default, string? operation = null,
        TimeSpan? patience = null) =>
        world.Core.Pins.DeleteAsync(CacheName.Default, Name(name), condition, Operation(operation), patience ?? Patience,
            CancellationToken.None);

    public static Task<Pin> ShowAsync(this World world, string name) =>
        world.Core.Pins.ShowAsync(CacheName.Default, Name(name), CancellationToken.None);

    public static async Task<IEnumerable<string>> PinNamesAsync(this World world) =>
        (await world.Core.Pins.ListAsync(CacheName.Default, CancellationToken.None)).Pins.Select(p => p.Name.ToString());

    /// <summary>The name of the path that the bucket's pin says; null when there is none.</summary>
    public static string? BucketPin(this World world, string name) =>
        world.Store.Objects.TryGetValue($"pins/{name}", out var text)
            ? Encoding.UTF8.GetString(text)["/nix/store/0123456789abcdfghijklmnpqrsvwxyz-".Length..] : null;

    /// <summary>Time passes and the housekeeper works until the bucket has what the rows say (I7).</summary>
    public static Task SettleAsync(this World world) => Eventually.BecomesTrueAsync(async () =>
    {
        await world.TravelAsync(TimeSpan.FromSeconds(30));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        return await world.QueryAsync<bool>("select not exists (select from pin where not recorded or fence is not null)");
    });

    /// <summary>The paths that pins protect.</summary>
    public static async Task<string> ProtectedAsync(this World world) => await world.QueryAsync<string>(
        """
        select coalesce(string_agg(distinct s.name, ' ' order by s.name), '')
        from pin_revision r join pin p on p.id = r.pin_id join store_path s on s.id = r.path_id where r.revision >= p.kept_from
        """);

    public static async Task<CacheProblemException> FailsAsync(ProblemKind kind, Task request)
    {
        var problem = await Assert.ThrowsAsync<CacheProblemException>(() => request);
        Assert.Equal(kind, problem.Kind);
        return problem;
    }

    private static OperationId Operation(string? text) => text is null ? OperationId.New() : OperationId.TryParse(text, out var id) ? id
        : throw new FormatException(text);
}
