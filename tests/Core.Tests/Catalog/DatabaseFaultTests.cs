using System.Text.RegularExpressions;
using Npgsql;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Tests.NixWriter;
using OrleansCache.Core.Tests.Pushes;
using OrleansCache.Protocol;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

/// <summary>
/// Generated: each statement of each call meets each answer of <see cref="DatabaseAnswer"/>, once, and an answer that is lost. The call succeeds or says what the table says,
/// the same call again succeeds, and what it belongs to comes to its end.
/// </summary>
public sealed class DatabaseFaultTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    // A row of the table each, and one code of each class that it knows as a class.
    private static readonly string[] States =
    [
        "40P01", "40001", "55P03", "23505", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "53300", "25006", "57014", "53100", "53200", "42501", "42883", "3F000", "42P01", "42703",
        "57P04", "3D000", "28000", "28P01", "58030", "58P01", "58P02", "22021", "08006", "53000", "XX000",
    ];

    private static readonly HashSet<string> Fatal = ["57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04", "53300", "28000", "28P01", "3D000", "08006"];

    private static readonly string?[] OneOfEachSort = [null, .. States.DistinctBy(state => (DatabaseAnswer.Of(state).Step, DatabaseAnswer.Of(state).Kind, Fatal.Contains(state)))];

    // Who has lost the answer to these does not know that it is the one who publishes: it would wait for its own lease.
    private static readonly string[] TakesALease = ["commit", "nix publish"];

    // What it needs, then the call (again and again the same), then how that comes to its end.
    private static readonly Dictionary<string, Func<World, string, Task<Kind>>> Kinds = new()
    {
        ["begin"] = (world, name) => Ready(() => world.BeginAsync(Closure(name), operation: name), async () => await EndAsync(world, name, await world.BeginAsync(Closure(name), operation: name))),
        ["report"] = async (world, name) => await BegunAsync(world, name, push => world.UploadAsync(push)),
        ["wait"] = async (world, name) =>
        {
            var other = await world.BeginAsync(Closure(name));
            return await BegunAsync(world, name, push => world.WaitAsync(push, $"{name}-a"), before: () => world.AbortAsync(other));
        },
        ["commit"] = async (world, name) =>
        {
            var push = await world.BeginAsync(Closure(name));
            await world.UploadAsync(push);
            return new Kind(() => world.CommitAsync(push, patience: TimeSpan.FromSeconds(1)), async () =>
            {
                await CommitAsync(world, push);
                await SeenAsync(world, name);
            });
        },
        ["end"] = async (world, name) =>
        {
            var push = await world.BeginAsync(Closure(name));
            return new Kind(() => world.AbortAsync(push), () => world.PushAsync(Closure(name)));
        },
        ["token check"] = async (world, name) =>
        {
            var made = await world.Core.Tokens.CreateAsync(CacheName.Default, new CreateToken { Name = name, Scopes = [TokenScope.Push] }, None);
            return new Kind(async () => Assert.NotNull(await world.Core.Tokens.FindAsync(made.Secret, None)), () => world.Core.Tokens.RevokeAsync(CacheName.Default, made.Token.Id, None));
        },
        ["niks3"] = async (world, name) =>
        {
            var path = World.Path(name);
            var opened = await world.Core.DeferredPushes.OpenAsync(CacheName.Default, Deferred(path), None);
            return new Kind(() => world.Core.DeferredPushes.DeclareAsync(CacheName.Default, opened.Id, [new DeferredDeclaration(path, [])], None), async () =>
            {
                Assert.True(await world.Core.DeferredPushes.IsOpenAsync(CacheName.Default, opened.Id, opened.Secret, None));
                await world.Pushes.AbortAsync(CacheName.Default, opened.Id, None);
            });
        },
        ["nix hold"] = async (world, name) =>
        {
            await world.PushAsync(Closure(name));
            return new Kind(async () => Assert.True(await new StockNix(world).AskAsync($"{name}-a")), () => SeenAsync(world, name));
        },
        ["nix publish"] = async (world, name) =>
        {
            await new StockNix(world).PutNarAsync(name);
            return new Kind(() => new StockNix(world).PutInfoAsync(name), async () => Assert.True(await new StockNix(world).AskAsync(name)));
        },
    };

    [Theory]
    [InlineData("begin", false)]
    [InlineData("report", false)]
    [InlineData("token check", false)]
    [InlineData("niks3", false)]
    [InlineData("nix hold", false)]
    [InlineData("nix publish", false)]
    [InlineData("begin", true)]
    [InlineData("wait", true)]
    [InlineData("commit", true)]
    [InlineData("end", true)]
    public async Task Each_answer_to_each_statement_is_told_or_repeated_and_loses_nothing(string kind, bool grouped)
    {
        PostgresFaultProxy proxy = null!;
        await using var world = await World.CreateAsync(through: direct => (proxy = new PostgresFaultProxy(direct)).ConnectionString, grouped: grouped);
        await using var _ = proxy;
        var (runs, statements) = (0, await CountAsync(world, proxy, Kinds[kind]));
        Assert.NotEqual(0, statements);

        for (var at = 0; at < statements; at++)
        {
            // To the first statement every answer; to what follows one of each sort.
            foreach (var state in at == 0 ? [null, .. States] : OneOfEachSort)
            {
                if (state is null && at == 0 && TakesALease.Contains(kind))
                    continue;
                var made = await Kinds[kind](world, $"{kind.Replace(' ', '-')}-{runs++}");
                proxy.Arm(at, new PostgresFault(state, state is not null && Fatal.Contains(state)));
                var failure = await Record.ExceptionAsync(made.Call);
                var (met, where) = (proxy.Disarm(), $"{kind}, statement {at}, {state ?? "a lost answer"}: {failure}\n{string.Join("\n", proxy.Statements.Distinct())}");
                Check(met, at, state, failure, where);

                if (TakesALease.Contains(kind))
                {
                    // Who publishes may have been broken off: another goes on when the lease is over.
                    await world.TravelAsync(TimeSpan.FromMinutes(5));
                    await world.Core.RunHousekeepingAsync(None);
                }

                var again = await Record.ExceptionAsync(made.Call);
                Assert.True(again is null, $"{where}\nagain: {again}");
                var end = await Record.ExceptionAsync(made.End);
                Assert.True(end is null, $"{where}\nat the end: {end}");
            }
        }

        await world.AssertSoundAsync();
    }

    [Fact]
    public void The_table_has_no_code_that_is_not_tried()
    {
        var source = File.ReadAllText(Path.Combine(Repository.Root, "src", "Core", "Catalog", "DatabaseAnswers.cs"));

        foreach (Match code in Regex.Matches(source, "\"([0-9A-Z]{5})\""))
            Assert.Contains(code.Groups[1].Value, States);
        foreach (Match prefix in Regex.Matches(source, "StartsWith\\(\"([0-9A-Z]{2})\""))
            Assert.Contains(States, state => state.StartsWith(prefix.Groups[1].Value, StringComparison.Ordinal));
    }

    private static void Check(bool met, int at, string? state, Exception? failure, string where)
    {
        var answer = state is null ? new DatabaseAnswer(DatabaseStep.Reconnect, "") : DatabaseAnswer.Of(state);
        var isTold = failure switch
        {
            null => true,
            CacheProblemException told => told.Kind == answer.Kind && told.Message.Contains(answer.Sentence, StringComparison.Ordinal),
            PostgresException plain => answer.Step == DatabaseStep.Fail && plain.SqlState == state,
            _ => false,
        };
        Assert.True(isTold, where);
        if (!met)
            return;
        // What helps itself by being repeated is nobody's business.
        if (answer.Step is DatabaseStep.Repeat or DatabaseStep.RepeatOnce or DatabaseStep.Reconnect)
            Assert.True(failure is null, where);
        // The first statement decides about the call; later ones may be a background's, which goes on by itself.
        else if (at == 0)
            Assert.True(failure is not null, where);
    }

    private static async Task<int> CountAsync(World world, PostgresFaultProxy proxy, Func<World, string, Task<Kind>> make)
    {
        var made = await make(world, "first");
        proxy.Arm(0, null);
        await made.Call();
        var count = proxy.Statements.Count;
        await made.Call();
        await made.End();
        return count;
    }

    private static BeginPush Closure(string name) => World.Chain($"{name}-a", $"{name}-b");

    private static DeferredPush Deferred(PathDeclaration path) => new() { Root = path.Path.Hash, Paths = [new DeferredPath(path.Path.Hash, path.NarHash, path.NarSize, path.References)], Objects = [] };

    private static Task<Kind> Ready(Func<Task> call, Func<Task>? end = null) => Task.FromResult(new Kind(call, end ?? (() => Task.CompletedTask)));

    private static async Task<Kind> BegunAsync(World world, string name, Func<PushOpened, Task> call, Func<Task>? before = null)
    {
        var push = await world.BeginAsync(Closure(name));
        return new Kind(() => call(push), async () =>
        {
            if (before is not null)
                await before();
            await EndAsync(world, name, push);
        });
    }

    /// <summary>Whatever was uploaded before: the push completes.</summary>
    private static async Task EndAsync(World world, string name, PushOpened push)
    {
        var answer = await world.WaitAsync(push, $"{name}-a", $"{name}-b");
        await world.UploadAsync(push, [.. push.Uploads.Concat(answer.Uploads).DistinctBy(u => u.Id).Where(u => answer.Paths.Any(p => p.Upload == u.Id))]);
        await CommitAsync(world, push);
        await SeenAsync(world, name);
    }

    private static async Task CommitAsync(World world, PushOpened push) => Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);

    private static Task SeenAsync(World world, string name)
    {
        Assert.NotNull(world.NarInfoOf($"{name}-a"));
        Assert.NotNull(world.NarInfoOf($"{name}-b"));
        return Task.CompletedTask;
    }

    /// <param name="Call">May be made again and again.</param>
    /// <param name="End">What must be possible afterwards.</param>
    private sealed record Kind(Func<Task> Call, Func<Task> End);
}
