using System.Text.RegularExpressions;
using OrleansCache.Contracts;
using OrleansCache.Core.Adapters.Attic;
using OrleansCache.Core.Adapters.Niks3;
using OrleansCache.Core.Adapters.NixCopy;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Pins;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Pushes;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

/// <summary>The header of a function lists what it answers; its body, the enum and the header say the same.</summary>
public sealed partial class OutcomeTests
{
    private static readonly string Functions = CatalogSchema.FunctionText();

    public static TheoryData<string, string[], string[]> Outcomes => new()
    {
        { nameof(OpenOutcome), Texts<OpenOutcome>(), [.. Told("open_push"), .. Labels("push_state")] },
        { nameof(ClaimStatus), Texts<ClaimStatus>(), [.. Told("claim_paths"), .. Told("wait_paths")] },
        { nameof(PathVerdict), Texts<PathVerdict>(), Results(Function("verdict").Body) },
        { nameof(UploadOutcome), Texts<UploadOutcome>(), Told("report_uploads") },
        { nameof(CommitOutcome), Texts<CommitOutcome>(), [.. Told("commit_push"), .. Told("commit_pushes")] },
        { nameof(PushRowState), Texts<PushRowState>(), [.. Told("renew_push"), .. Labels("push_state")] },
        { nameof(NodeState), Texts<NodeState>(), Labels("node_state") },
        {
            nameof(FinishOutcome), Texts<FinishOutcome>(),
            [.. Returned().Matches(Function("finish_push").Body).SelectMany(m => Results(m.Value)),
                .. Results(Function("push_outcome").Body), .. Labels("push_state")]
        },
        { nameof(PinOutcome), Texts<PinOutcome>(), [.. Told("set_pin"), .. Told("rollback_pin"), .. Told("delete_pin")] },
        { nameof(DeclareOutcome), Texts<DeclareOutcome>(), Told("declare_paths") },
        { nameof(PutOutcome), Texts<PutOutcome>(), Told("nix_put") },
        { nameof(RecordOutcome), Texts<RecordOutcome>(), Told("attic_record") },
        { nameof(AttachOutcome), Texts<AttachOutcome>(), Told("nix_attach") },
    };

    [Theory]
    [MemberData(nameof(Outcomes))]
    public void Members_are_exactly_what_the_functions_answer(string outcome, string[] members, string[] answers) =>
        Assert.True(members.Order(StringComparer.Ordinal).SequenceEqual(answers.Distinct().Order(StringComparer.Ordinal)),
            $"{outcome} has {string.Join(", ", members.Except(answers))} that no function answers, and lacks " +
                $"{string.Join(", ", answers.Except(members))}.");

    [Theory]
    [InlineData("commit_push")]
    [InlineData("set_pin")]
    [InlineData("rollback_pin")]
    [InlineData("delete_pin")]
    [InlineData("nix_put")]
    [InlineData("nix_attach")]
    [InlineData("attic_record")]
    public void A_header_tells_every_outcome_that_the_body_sets(string function)
    {
        var set = Assigned().Matches(Function(function).Body).SelectMany(m => Results(m.Value)).ToList();

        Assert.NotEmpty(set);
        Assert.Empty(set.Except(Told(function)).Except(function == "rollback_pin" ? Told("set_pin") : []));
    }

    [Fact]
    public async Task A_text_that_is_no_member_is_refused_with_the_name_of_the_function_at_every_seam()
    {
        await using var database = await CatalogDatabase.OpenAsync(await (await PostgresServer.Shared).CreateDatabaseAsync(),
            CancellationToken.None, Strange);
        var (push, caller, pin) = (new OwnPush(PushId.New(), Caller.Server), Caller.Server, PinName.Parse("p"));
        await using var nix = new NixCopyCatalog(database, new());
        var extra = new NixExtra(ObjectKey.Parse($"log/{new string('0', 32)}-p.drv"), NixExtraKind.Log, null, null, []);

        await RefusesAsync("finish_push", () => new PublishCatalog(database).FinishAsync(1, push.Id, CancellationToken.None));
        await RefusesAsync("renew_push", () => new PushCatalog(database).RenewAsync(1, push, TimeSpan.FromHours(1),
            CancellationToken.None));
        await RefusesAsync("delete_pin", () => new PinCatalog(database).DeleteAsync(1, pin, PinCondition.None, caller,
            OperationId.New(), [], CancellationToken.None));
        await RefusesAsync("nix_attach", () => nix.AttachAsync(1, caller, extra, CancellationToken.None));
        await RefusesAsync("declare_paths", () => new Niks3Catalog(database).DeclareAsync(1, push, [], [], CancellationToken.None));

        static async Task RefusesAsync(string function, Func<Task> ask)
        {
            var refusal = await Assert.ThrowsAsync<InvalidOperationException>(ask);
            Assert.Contains(function, refusal.Message, StringComparison.Ordinal);
            Assert.Contains("'strange'", refusal.Message, StringComparison.Ordinal);
        }
    }

    private static string Strange(string functions)
    {
        foreach (var (was, isNow) in new[]
            {
                ("push_outcome(v_push), 'unknown')", "push_outcome(v_push), 'strange')"), ("state := 'unknown'", "state := 'strange'"),
                ("outcome := 'unknown'", "outcome := 'strange'"), ("outcome := 'waiting'", "outcome := 'strange'"),
                ("null::int, 'push-ended'", "null::int, 'strange'"),
            })
        {
            Assert.Contains(was, functions, StringComparison.Ordinal);
            functions = functions.Replace(was, isNow, StringComparison.Ordinal);
        }

        return functions;
    }

    private static string[] Texts<T>() where T : struct, Enum => [.. Enum.GetValues<T>().Select(OutcomeText.Of)];

    private static (string Header, string Body) Function(string name)
    {
        var found = Regex.Match(Functions, $@"((?:^--.*\n)*)^create function @fn@\.{name}\((?:.|\n)*?\$\$((?:.|\n)*?)\$\$;",
            RegexOptions.Multiline);
        Assert.True(found.Success, name);
        return (found.Groups[1].Value, found.Groups[2].Value);
    }

    /// <summary>What the function's header says that it answers.</summary>
    private static string[] Told(string name)
    {
        var header = Function(name).Header;
        var answers = header[Math.Max(0, Math.Max(header.IndexOf("outcome:", StringComparison.Ordinal),
            header.IndexOf("status:", StringComparison.Ordinal)))..];
        return [.. Quoted().Matches(answers).Select(m => m.Groups[1].Value),
            .. answers.Contains("quota_exceeded says", StringComparison.Ordinal) ? (string[])["quota"] : []];
    }

    /// <summary>The literals that are a value of an expression, and not what another is compared with.</summary>
    private static string[] Results(string sql) => [.. Result().Matches(sql).Select(m => m.Groups[1].Value)];

    private static string[] Labels(string type) => [.. Quoted().Matches(Regex.Match(
        File.ReadAllText(Path.Combine(Repository.Root, "src", "Core", "Catalog", "Migrations", "001-catalog.sql")),
        $@"create type {type} as enum \(.*\)").Value).Select(m => m.Groups[1].Value)];

    [GeneratedRegex(@"'([a-z-]+)'")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"(?:then|else|return|:=|,) '([a-z-]+)'")]
    private static partial Regex Result();

    [GeneratedRegex(@"\breturn [^;]*;")]
    private static partial Regex Returned();

    [GeneratedRegex(@"\boutcome := [^;]*;")]
    private static partial Regex Assigned();
}
