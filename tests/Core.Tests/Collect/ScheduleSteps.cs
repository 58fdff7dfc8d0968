using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Core.Tests.Pushes;
using OrleansCache.Testing;

namespace OrleansCache.Core.Tests.Collect;

/// <summary>Steps of a collection that a schedule forces, through the collector's own functions.</summary>
internal static class ScheduleSteps
{
    public const string ForgetRoots = "delete from root";

    /// <summary>Forgets all roots, and condemns what nothing keeps.</summary>
    public static async Task CondemnAllAsync(World world)
    {
        await world.ExecuteAsync(ForgetRoots);
        var collector = new Collector(world);
        await collector.BarrierAsync();
        await collector.MarkAsync();
        await collector.CondemnAsync();
    }

    /// <summary>As the last run's sweep does with what is due. Without names: every condemned path.</summary>
    public static Task SweepPathsAsync(World world, params string[] names) => world.ExecuteAsync(
        $"select {world.Core.Database.Functions}.gc_sweep_paths(1, (select g - 1 from gc_epoch), array(select id from store_path where " +
            $"state = 'condemned' {Among(names)}))");

    public static Task SweepObjectsAsync(World world) => world.ExecuteAsync(
        $"select {world.Core.Database.Functions}.gc_sweep_objects(1, (select g - 1 from gc_epoch), array(select id from object where " +
            "state = 'condemned'), null, null)");

    /// <summary>Another process on this world's catalog and bucket, with a clock of its own.</summary>
    public static Task<CacheCore> StartAsync(World world, TimeProvider clock, bool housekeeping = false) => CacheCore.StartAsync(
        new CoreOptions
        {
            ConnectionString = world.ConnectionString,
            Store = world.Store,
            SigningKeys = [World.Key],
            Pushes = world.Options,
            Gc = world.Gc,
            Housekeeping = housekeeping
        },
        NullLoggerFactory.Instance, clock, CancellationToken.None);

    private static string Among(string[] names) => names.Length == 0 ? ""
        : $"and name in ({string.Join(", ", names.Select(n => $"'{n}'"))})";
}
