using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Metadata;
using Orleans.Serialization;
using Orleans.TestingHost;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Grains.Tests;

/// <summary>A rolling update: a silo of this contract, and one of the next, which says so of its interfaces.</summary>
public sealed class ContractVersionTests
{
    [Fact]
    public async Task Pins_move_through_silos_of_an_old_and_a_new_contract_while_both_are_members()
    {
        var engines = new ServicesByScope();
        await using var cluster = await StartAsync(engines);
        await using var world = await World.CreateAsync();
        var plain = await world.AddGatewayAsync(plain: true);
        await world.PushAsync(World.Chain("a"));
        await world.PushAsync(World.Chain("b"));
        var old = Gateway(cluster, engines, plain, world, 0);
        var next = Gateway(cluster, engines, plain, world, 1);

        var newer = cluster.Silos[1].SiloAddress;
        foreach (var name in Enumerable.Range(0, 6).Select(n => PinName.Parse($"web{n}")))
        {
            // The first may wake the grain at either silo; the second has to find it, or get it, at the newer one, which serves the older
            // one too.
            long[] revisions = [await MoveAsync(old, name, "a"), await MoveAsync(next, name, "b"), await MoveAsync(old, name, "a"),
                await MoveAsync(next, name, "b")];

            Assert.Equal([revisions[0], revisions[0] + 1, revisions[0] + 2, revisions[0] + 3], revisions);
            Assert.Equal(newer, await WhereAsync(cluster, Grains(cluster, 1).GetGrain<IPinGrain>($"two:default/{name}")));
        }
    }

    [Fact]
    public void A_message_of_a_newer_contract_is_read_by_an_older_silo_and_the_other_way_round()
    {
        using var services = new ServiceCollection().AddSerializer().BuildServiceProvider();
        var serializer = services.GetRequiredService<Serializer>();
        var sent = new NewerPinReply
        {
            Made = true,
            Pin = new PinState("p", 3, 1, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, null),
            Reason = "it was asked for"
        };

        var old = serializer.Deserialize<PinReply>(serializer.SerializeToArray(sent))!;
        var next = serializer.Deserialize<NewerPinReply>(serializer.SerializeToArray(old))!;

        Assert.Equal((true, sent.Pin), (old.Made, old.Pin));
        Assert.Equal((true, sent.Pin, (string?)null), (next.Made, next.Pin, next.Reason));
    }

    private static async Task<InProcessTestCluster> StartAsync(ServicesByScope engines)
    {
        var builder = new InProcessTestClusterBuilder(initialSilosCount: 2);
        builder.ConfigureSilo((options, silo) =>
        {
            silo.Services.AddSingleton(TimeProvider.System).AddSingleton(engines);
            silo.UseInMemoryReminderService().AddMemoryGrainStorage("memory").AddCatalogStorage().AddDocumentStorage("memory");
            if (options.SiloName.EndsWith('1'))
                silo.Services.AddSingleton<IGrainInterfacePropertiesProvider, NextContract>();
        });
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return cluster;
    }

    private static async Task<long> MoveAsync(IPins pins, PinName name, string to) => (await pins.SetAsync(
        CacheName.Default, name, new SetPin { Path = new StorePath(World.Hash(to), to) }, PinCondition.None, OperationId.New(),
        TimeSpan.FromSeconds(30), CancellationToken.None)).Pin.Revision;

    private static IPins Gateway(InProcessTestCluster cluster, ServicesByScope engines, CacheCore plain, World world, int silo)
    {
        var engine = new ClusterEngine(engines, "two", TimeProvider.System);
        var over = engine.Over(new CoreServices(plain.Pushes, plain.Pins, plain.Collection, plain.NixCopy, plain.Paths, _ => world.Gc, () => [CacheName.Default]));
        engine.Attach(Grains(cluster, silo));
        return over.Pins;
    }

    private static IGrainFactory Grains(InProcessTestCluster cluster, int silo) =>
        cluster.Silos[silo].ServiceProvider.GetRequiredService<IGrainFactory>();

    private static async Task<SiloAddress?> WhereAsync(InProcessTestCluster cluster, IAddressable grain) =>
        await cluster.Silos[0].ServiceProvider.GetRequiredService<IGrainFactory>().GetGrain<IManagementGrain>(0)
            .GetActivationAddress(grain);

    /// <summary>Says that this silo's interfaces of ours are a version newer.</summary>
    private sealed class NextContract : IGrainInterfacePropertiesProvider
    {
        public void Populate(Type interfaceType, GrainInterfaceType grainInterfaceType, Dictionary<string, string> properties)
        {
            if (interfaceType.Assembly == typeof(IPinGrain).Assembly)
                properties[WellKnownGrainInterfaceProperties.Version] = (Contract.Version + 1).ToString(CultureInfo.InvariantCulture);
        }
    }
}

/// <summary><see cref="PinReply"/> as a later version might have it.</summary>
[GenerateSerializer, Immutable, Alias("OrleansCache.Tests.NewerPinReply")]
public sealed record NewerPinReply
{
    [Id(0)] public Problem? Problem { get; init; }

    [Id(1)] public bool Made { get; init; }

    [Id(2)] public PinState? Pin { get; init; }

    [Id(3)] public string? Reason { get; init; }
}
