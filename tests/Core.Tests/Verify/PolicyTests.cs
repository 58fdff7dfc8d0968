using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Verify;

/// <summary>A server starts with another policy than the one before it.</summary>
public sealed class PolicyTests
{
    private static readonly TextNar Dependency = new("dep", "beta");

    [Fact]
    public async Task A_change_is_logged_and_audited_once_with_the_former_value()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(Victim, World.Chain("a"));

        Assert.Equal("Information: cache default: --verify is always now, and was off", (await StartAsync(world, VerifyPolicy.Always)).Told);
        Assert.Equal("Warning: cache default: --verify is adopt now, and was always", (await StartAsync(world, VerifyPolicy.Adopt)).Told);
        Assert.Equal("", (await StartAsync(world, VerifyPolicy.Adopt)).Told);

        var page = await world.Core.Audit.ReadAsync(CacheName.Default, new AuditQuery(Action: "policy"), CancellationToken.None);
        Assert.Equal(["""{"verify": "adopt", "formerly": "always"}""", """{"verify": "always", "formerly": "off"}"""],
            page.Lines.Select(l => l.Detail?.GetRawText()));
        Assert.All(page.Lines, l => Assert.Equal("server", l.Publisher));
    }

    [Fact]
    public async Task The_first_start_of_a_cache_changes_nothing()
    {
        await using var world = await World.CreateAsync();

        Assert.Equal("", (await StartAsync(world, VerifyPolicy.Always)).Told);

        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from audit"));
        Assert.Equal("always", await world.QueryAsync<string>("select verify from cache"));
    }

    [Fact]
    public async Task What_nobody_has_read_is_not_signed_anew_until_somebody_has()
    {
        await using var world = await SquattedAsync(TextNar.Mentioning("root", "dep"));
        await StartAsync(world, VerifyPolicy.Always);

        await RenameAsync(world);

        var written = world.NarInfoOf("root")!;
        Assert.Equal([Dependency.Path().Path], written.References);
        Assert.Empty(written.Signatures);
        Assert.Equal(1, await world.VerifyAsync());
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Single(world.NarInfoOf("root")!.Signatures);
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from unsigned_path"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task What_somebody_has_read_is_signed_anew_at_once()
    {
        await using var world = await SquattedAsync(TextNar.Mentioning("root", "dep"));
        await StartAsync(world, VerifyPolicy.Always);
        await world.QueryAsync<long>($"select {world.Core.Database.Functions}.scrub(1, 16, interval '7 days', interval '1 second')");
        await world.VerifyAsync();

        await RenameAsync(world);

        Assert.Equal([Dependency.Path().Path], world.NarInfoOf("root")!.References);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task What_an_eviction_is_about_to_take_is_still_signed_when_it_was_read()
    {
        await using var world = await SquattedAsync(TextNar.Mentioning("root", "dep"));
        await StartAsync(world, VerifyPolicy.Always);
        await world.QueryAsync<long>($"select {world.Core.Database.Functions}.scrub(1, 16, interval '7 days', interval '1 second')");
        await world.VerifyAsync();
        // As withdraw_bar does; until its narinfo has gone, readers see it.
        await world.ExecuteAsync(
            "update object set trust_group = -2, verified = false where id = (select objects[1] from store_path where name = 'root')");

        await RenameAsync(world);

        Assert.Equal([Dependency.Path().Path], world.NarInfoOf("root")!.References);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task What_its_bytes_deny_is_not_signed_anew_either()
    {
        await using var world = await SquattedAsync(new TextNar("root", "mentions nothing"));
        await StartAsync(world, VerifyPolicy.Always);

        await RenameAsync(world);
        for (var round = 0; round < 2; round++)
        {
            Assert.Equal(round == 0 ? 1 : 0, await world.VerifyAsync());
            await world.Core.RunHousekeepingAsync(CancellationToken.None);
        }

        Assert.Empty(world.NarInfoOf("root")!.Signatures);
        // Where unread bytes are signed, it is signed.
        await StartAsync(world, VerifyPolicy.Off);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_signature_that_is_right_stays_when_the_narinfo_is_written_again()
    {
        await using var world = await SquattedAsync(TextNar.Mentioning("root", "dep"));
        await RenameAsync(world);
        var before = world.NarInfoOf("root")!;
        Assert.Single(before.Signatures);
        await StartAsync(world, VerifyPolicy.Always);

        await world.ExecuteAsync(
            "update store_path set unwritten = true, recorded = false, generation = generation + 1 where name = 'root'");
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(before.Signatures, world.NarInfoOf("root")!.Signatures);
        Assert.True(await world.QueryAsync<bool>("select recorded and not unwritten from store_path where name = 'root'"));
        Assert.Equal(0, await world.WaitingAsync());
    }

    // A path that refers to one under a false name; no server has read either.
    private static async Task<World> SquattedAsync(TextNar root)
    {
        var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var misnamed = Dependency.Path() with { Path = new StorePath(World.Hash("dep"), "evil") };
        var push = await world.SendAsync(Mallory, World.Closure(misnamed, root.Path("dep")), root, Dependency);
        await world.CommitAsync(Mallory, push, TimeSpan.FromSeconds(30));
        return world;
    }

    // The narinfo that the housekeeper writes then calls the reference by its true name.
    private static async Task RenameAsync(World world)
    {
        var push = await world.SendAsync(Deployer, World.Closure(Dependency.Path()), Dependency);
        await world.VerifyAsync();
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Deployer, push, TimeSpan.FromSeconds(30))).State);
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
    }

    // What it logs of the policy, up to the semicolon.
    private static async Task<(CacheCore Core, string Told)> StartAsync(World world, VerifyPolicy policy)
    {
        world.Verify = policy;
        var lines = new List<string>();
        using var loggers = LoggerFactory.Create(builder => builder.AddProvider(new Lines(lines)));
        var core = await world.AddGatewayAsync(loggers: loggers);
        return (core, string.Join('\n', lines.Where(l => l.Contains("--verify", StringComparison.Ordinal)).Select(l => l.Split(';')[0])));
    }

    private sealed class Lines(List<string> lines) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            lock (lines)
                lines.Add($"{logLevel}: {formatter(state, exception)}");
        }

        public void Dispose()
        {
        }
    }
}
