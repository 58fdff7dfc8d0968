using System.Text.RegularExpressions;
using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

/// <summary>
/// Generated: each statement of each call meets each answer of <see cref="DatabaseAnswer"/>, once, and an answer that is lost. The call
/// succeeds or says what the table says, the same call again succeeds, and what it belongs to comes to its end.
/// </summary>
public sealed class DatabaseFaultTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    // A row of the table each, and one code of each class that it knows as a class.
    internal static readonly string[] States =
    [
        "40P01", "40001", "55P03", "23505", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "53300", "25006", "57014", "53100",
            "53200", "42501", "42883", "3F000", "42P01", "42703",
        "57P04", "3D000", "28000", "28P01", "58030", "58P01", "58P02", "22021", "08006", "53000", "XX000",
    ];

    internal static readonly HashSet<string> Fatal = ["57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04", "53300", "28000",
        "28P01", "3D000", "08006"];

    internal static readonly string?[] OneOfEachSort = [null,
        .. States.DistinctBy(state => (DatabaseAnswer.Of(state).Step, DatabaseAnswer.Of(state).Kind, Fatal.Contains(state)))];

    // Who has lost the answer to these does not know that it is the one who publishes: it would wait for its own lease.
    private static readonly string[] TakesALease = ["commit", "nix publish", "pin set", "pin rollback", "pin delete", "evict"];

    // What comes after it is the background's, in no order.
    private static readonly string[] OfOneStatement = ["gc start"];

    [Theory]
    [InlineData("begin", false)]
    [InlineData("report", false)]
    [InlineData("wait", false)]
    [InlineData("commit", false)]
    [InlineData("end", false)]
    [InlineData("renew", false)]
    [InlineData("urls", false)]
    [InlineData("missing", false)]
    [InlineData("pin set", false)]
    [InlineData("pin rollback", false)]
    [InlineData("pin delete", false)]
    [InlineData("pin list", false)]
    [InlineData("gc start", false)]
    [InlineData("gc status", false)]
    [InlineData("reads", false)]
    [InlineData("readiness", false)]
    [InlineData("token check", false)]
    [InlineData("tokens", false)]
    [InlineData("identity check", false)]
    [InlineData("subjects", false)]
    [InlineData("lists", false)]
    [InlineData("niks3", false)]
    [InlineData("niks3 begin", false)]
    [InlineData("niks3 present", false)]
    [InlineData("niks3 nar", false)]
    [InlineData("niks3 restore", false)]
    [InlineData("nix hold", false)]
    [InlineData("nix nar", false)]
    [InlineData("begin", true)]
    [InlineData("report", true)]
    [InlineData("wait", true)]
    [InlineData("commit", true)]
    [InlineData("end", true)]
    public Task Each_answer_to_each_statement_is_told_or_repeated_and_loses_nothing(string kind, bool grouped) => TryAsync(kind, grouped);

    [FullTheory]
    [InlineData("nix publish", false)]
    [InlineData("evict", false)]
    public Task So_it_is_with_what_takes_a_minute(string kind, bool grouped) => TryAsync(kind, grouped);

    [Fact]
    public void No_kind_of_call_is_left_out()
    {
        var tried = typeof(DatabaseFaultTests).GetMethods().SelectMany(method => method.GetCustomAttributes(typeof(InlineDataAttribute),
            false).Cast<InlineDataAttribute>().SelectMany(data => data.GetData(method))).Select(data => (string)data[0]);

        Assert.Equal(DatabaseCalls.Kinds.Keys.Order(StringComparer.Ordinal), tried.Distinct().Order(StringComparer.Ordinal));
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

    private static async Task TryAsync(string kind, bool grouped)
    {
        PostgresFaultProxy proxy = null!;
        await using var world = await World.CreateAsync(through: direct => (proxy = new PostgresFaultProxy(direct)).ConnectionString,
            grouped: grouped);
        await using var _ = proxy;
        var (runs, statements) = (0, await CountAsync(world, proxy, DatabaseCalls.Kinds[kind]));
        Assert.NotEqual(0, statements);
        if (OfOneStatement.Contains(kind))
            statements = 1;

        for (var at = 0; at < statements; at++)
        {
            // To the first statement every answer; to what follows one of each sort.
            foreach (var state in at == 0 ? [null, .. States] : OneOfEachSort)
            {
                if (state is null && at == 0 && TakesALease.Contains(kind))
                    continue;
                var made = await DatabaseCalls.Kinds[kind](world, $"{kind.Replace(' ', '-')}-{runs++}");
                proxy.Arm(at, new PostgresFault(state, state is not null && Fatal.Contains(state)));
                var failure = await Record.ExceptionAsync(made.Call);
                var (met, where) = (proxy.Disarm(),
                    $"{kind}, statement {at}, {state ?? "a lost answer"}: {failure}\n{string.Join("\n", proxy.Statements.Distinct())}");
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

    private static async Task<int> CountAsync(World world, PostgresFaultProxy proxy, Func<World, string, Task<DatabaseCalls.Kind>> make)
    {
        var made = await make(world, "first");
        proxy.Arm(0, null);
        await made.Call();
        var count = proxy.Statements.Count;
        await made.Call();
        await made.End();
        return count;
    }
}
