using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Pins;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Deployments;

/// <summary>What machines say that they run, over the real catalog.</summary>
public sealed class DeploymentTests
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly Caller Machine = new("token:7", "token:7", 0);

    [Fact]
    public async Task A_machine_runs_what_it_has_deployed_last_whatever_it_has_tried_since()
    {
        await using var world = await WithPinAsync();
        await ReportAsync(world, "web-1", "a", DeploymentOutcome.Deployed);
        var first = await SingleAsync(world);
        await world.PinAsync("app", "b");

        await ReportAsync(world, "web-1", "b", DeploymentOutcome.RolledBack, message: "the switch ended with code 3");

        var row = await SingleAsync(world);
        Assert.Equal(("a", 1, false), (first.Path!.Value.Name, first.Revision, first.Behind));
        Assert.Equal(("a", 1, true, first.Since), (row.Path!.Value.Name, row.Revision, row.Behind, row.Since));
        Assert.Equal(("b", 2, DeploymentOutcome.RolledBack, "the switch ended with code 3"),
            (row.Last.Path.Name, row.Last.Revision, row.Last.Outcome, row.Last.Message));
        Assert.Equal("token:7", row.Publisher);
    }

    [Fact]
    public async Task The_same_report_again_keeps_since_when_and_writes_no_second_line_of_the_audit_log()
    {
        await using var world = await WithPinAsync();
        await ReportAsync(world, "web-1", "a", DeploymentOutcome.Deployed);
        var first = await SingleAsync(world);

        await ReportAsync(world, "web-1", "a", DeploymentOutcome.Deployed);

        var again = await SingleAsync(world);
        Assert.Equal(first.Since, again.Since);
        Assert.True(again.Seen > first.Seen);
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from audit where action = 'deployment'"));
    }

    [Fact]
    public async Task Of_a_pin_that_is_not_there_and_of_one_machine_too_many_nothing_is_noted()
    {
        await using var world = await WithPinAsync();

        Assert.Equal(ProblemKind.UnknownPin,
            await RefusedAsync(() => ReportAsync(world, "web-1", "a", DeploymentOutcome.Deployed, "other")));
        await world.ExecuteAsync(
            "insert into deployment (cache_id, pin, machine, last_path, last_name, outcome, at, publisher) " +
            "select id, 'app', 'm-' || n, '', '', 'failed', now(), '' from cache, generate_series(1, 10000) n where name = 'default'");
        Assert.Equal(ProblemKind.QuotaExceeded, await RefusedAsync(() => ReportAsync(world, "web-1", "a", DeploymentOutcome.Deployed)));
    }

    [Theory]
    [InlineData(0L, null)]
    [InlineData(null, "two\nlines")]
    public async Task What_no_report_has_is_refused(long? revision, string? message)
    {
        await using var world = await WithPinAsync();

        Assert.Equal(ProblemKind.BadRequest, await RefusedAsync(() => world.Core.Deployments.ReportAsync(CacheName.Default,
            PinName.Parse("app"), MachineName.Parse("web-1"), new DeploymentReport
            {
                Path = World.Path("a").Path,
                Outcome = DeploymentOutcome.Deployed,
                Time = DateTimeOffset.UtcNow,
                Revision = revision,
                Message = message,
            }, Machine, None)));
    }

    [Fact]
    public async Task A_machine_that_reports_no_more_is_forgotten()
    {
        await using var world = await WithPinAsync();
        await ReportAsync(world, "old", "a", DeploymentOutcome.Deployed);
        await world.ExecuteAsync("update deployment set seen = clock_timestamp() - interval '91 days'");
        await ReportAsync(world, "web-1", "a", DeploymentOutcome.Deployed);

        await world.ExecuteAsync("select @fn@.forget_deployments(c.id, interval '90 days') from cache c");

        Assert.Equal("web-1", (await SingleAsync(world)).Machine.ToString());
    }

    private static async Task<World> WithPinAsync()
    {
        var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.PinAsync("app", "a");
        return world;
    }

    private static Task ReportAsync(World world, string machine, string path, DeploymentOutcome outcome, string pin = "app",
        string? message = null) => world.Core.Deployments.ReportAsync(CacheName.Default, PinName.Parse(pin), MachineName.Parse(machine),
            new DeploymentReport { Path = World.Path(path).Path, Outcome = outcome, Time = DateTimeOffset.UtcNow, Message = message },
            Machine, None);

    private static async Task<Deployment> SingleAsync(World world) =>
        Assert.Single((await world.Core.Deployments.ListAsync(CacheName.Default, None)).Deployments);

    private static async Task<ProblemKind> RefusedAsync(Func<Task> ask) => (await Assert.ThrowsAsync<CacheProblemException>(ask)).Kind;
}
