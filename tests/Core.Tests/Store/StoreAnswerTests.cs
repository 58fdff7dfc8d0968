using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.S3;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Store;

/// <summary>Every operation of the store, answered with every code of the table and with every status that comes without one.</summary>
public sealed class StoreAnswerTests : IClassFixture<StoreAnswerTests.Stores>
{
    private const string Upload = "upload";
    private static readonly ObjectKey Key = ObjectKey.Parse("nar/a");
    private static readonly byte[] Body = [1];
    private static readonly string Md5 = Convert.ToHexStringLower(System.Security.Cryptography.MD5.HashData(Body));

    private static readonly Dictionary<string, Func<S3ObjectStore, Task<FencedOutcome?>>> Calls = new()
    {
        ["head"] = s => Plain(s.HeadAsync(Key, default)),
        ["get"] = s => Plain(s.GetAsync(Key, null, default)),
        ["range"] = s => Plain(s.GetAsync(Key, new ByteRange(1, 2), default)),
        ["list"] = s => Plain(s.ListAsync("", default).GetAsyncEnumerator().MoveNextAsync().AsTask()),
        ["put-new"] = s => Plain(s.PutNewAsync(Key, Body, default)),
        ["part"] = s => Plain(s.PutPartAsync(Key, Upload, 1, 1, Body, default)),
        ["begin"] = s => Plain(s.BeginMultipartAsync(Key, 1, default)),
        ["complete"] = s => Plain(s.CompleteMultipartAsync(Key, Upload, 1, [Md5], default)),
        ["abort"] = s => Plain(s.AbortMultipartAsync(Key, Upload, default)),
        ["list-multipart"] = s => Plain(s.ListMultipartAsync(default).GetAsyncEnumerator().MoveNextAsync().AsTask()),
        ["fenced-put"] = async s => await s.PutAsync(Key, Body, KeyHeaders.For(Key), Fence(), default),
        ["delete"] = async s => (await s.DeleteAsync([Key], Fence(), default))[0],
        ["delete-each"] = async s => (await s.DeleteAsync([Key], Fence(), default))[0],
        // Where ETags are no MD5 the parts are listed first.
        ["complete-listed"] = s => Plain(s.CompleteMultipartAsync(Key, Upload, 1, [Md5], default)),
    };

    private static readonly Dictionary<string, StoreTraits> Traits = new()
    {
        ["delete-each"] = new StoreTraits { DeletesMany = false },
        ["complete-listed"] = new StoreTraits { EtagIsMd5 = false },
    };

    // Who watches the store is told that these were refused.
    private static readonly string[] Writes = ["put-new", "part", "begin", "complete", "complete-listed", "abort", "list-multipart",
        "fenced-put", "delete", "delete-each"];

    private static readonly string[] Documents = ["<?xml version=\"1.0\"?><Error><Code>Access", "<Error/>",
        "<Error><Message>no code</Message></Error>", "{\"code\":\"AccessDenied\"}"];

    private readonly Stores _stores;

    public StoreAnswerTests(Stores stores) => _stores = stores;

    // An object is what these are about.
    private static readonly string[] Understanding = ["head", "get", "range", "put-new", "complete", "complete-listed", "abort"];

    public static TheoryData<string> Operations => [.. Calls.Keys];

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task Each_code_leads_to_its_step_and_its_sentence(string operation) =>
        await Task.WhenAll(StoreAnswer.Codes.Select(answer => CheckAsync(operation, ScriptedStore.Error(StatusOf(answer), answer.Code),
            // A HEAD has no body that could carry a code.
            operation == "head" ? StoreAnswer.Of(int.Parse(StatusOf(answer)[..3], CultureInfo.InvariantCulture), null) : answer)));

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task A_status_without_an_error_document_leads_to_its_step_and_its_sentence(string operation) =>
        await Task.WhenAll(StoreAnswer.Statuses.Select(answer =>
            CheckAsync(operation, $"{answer.Code["HTTP ".Length..]} Whatever\n<html>no</html>", answer)));

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task A_document_that_is_cut_off_or_says_no_code_counts_by_its_status(string operation) =>
        await Task.WhenAll(StoreAnswer.Statuses.SelectMany(answer =>
            Documents.Select(document => CheckStepAsync(operation, $"{answer.Code["HTTP ".Length..]} Whatever\n{document}", answer))));

    [Theory]
    [InlineData("complete")]
    [InlineData("complete-listed")]
    [InlineData("fenced-put")]
    [InlineData("delete")]
    [InlineData("delete-each")]
    public async Task An_error_document_is_no_success_whatever_its_status(string operation) =>
        await Task.WhenAll(StoreAnswer.Codes.Where(answer => answer.Step != StoreStep.Understand)
            .Select(answer => CheckAsync(operation, ScriptedStore.Error("200 OK", answer.Code), answer)));

    [Fact]
    public async Task A_key_that_the_store_refuses_to_delete_is_refused_with_the_stores_code()
    {
        foreach (var answer in StoreAnswer.Codes)
        {
            await using var server =
                new ScriptedStore($"200 OK\n<DeleteResult><Error><Key>nar/a</Key><Code>{answer.Code}</Code></Error></DeleteResult>",
                "200 OK\n<DeleteResult/>");
            using var store = Open(server.Url);

            var outcome = (await store.DeleteAsync([Key], DateTimeOffset.UtcNow.AddSeconds(30), default))[0];

            var expected = answer.IsRefusal ? FencedOutcome.Refused : answer.Step == StoreStep.Ask || answer.Code == "ServiceUnavailable"
                ? FencedOutcome.Unknown : FencedOutcome.Done;
            Assert.Equal(expected, outcome);
            if (answer.IsRefusal)
                Assert.Equal(answer, outcome.Answer);
        }
    }

    [Fact]
    public async Task A_refusal_of_the_whole_deletion_leaves_uncertain_what_an_earlier_attempt_left_uncertain()
    {
        await using var server = new ScriptedStore(
            "200 OK\n<DeleteResult><Error><Key>a</Key><Code>InternalError</Code></Error><Error><Key>b</Key><Code>SlowDown</Code></Error></DeleteResult>", ScriptedStore.Error("403 Forbidden", "AccessDenied"));
        using var store = Open(server.Url);

        var outcomes = await store.DeleteAsync([ObjectKey.Parse("a"), ObjectKey.Parse("b"), ObjectKey.Parse("c")],
            DateTimeOffset.UtcNow.AddSeconds(30), default);

        Assert.Equal([FencedOutcome.Unknown, FencedOutcome.Refused, FencedOutcome.Done], outcomes);
        Assert.Equal("AccessDenied", outcomes[1].Answer!.Code);
    }

    [Fact]
    public void A_code_that_the_table_does_not_know_is_told_in_the_stores_own_words()
    {
        var answer = StoreAnswer.Of(403, "MoonPhase", "The moon\n is wrong.");

        Assert.Equal((StoreStep.Tell, "MoonPhase"), (answer.Step, answer.Code));
        Assert.Contains("The moon  is wrong.", answer.Sentence, StringComparison.Ordinal);
        Assert.Equal(StoreStep.Ask, StoreAnswer.Of(500, "MoonPhase").Step);
    }

    private async Task CheckAsync(string operation, string response, StoreAnswer answer)
    {
        var (server, store, refusals) = _stores.That(response, Traits.GetValueOrDefault(operation));
        var (before, refusalsBefore) = (server.Requests, refusals.Count);
        var (outcome, told) = await TryAsync(operation, store);
        // What is about the object, or comes after the fence, says nothing about the store.
        var isAboutObject = operation == "put-new" ? answer.Code is "PreconditionFailed" or "HTTP 412"
            : answer.Step == StoreStep.Understand && Understanding.Contains(operation);
        var isAboutStore = !isAboutObject && !(operation == "fenced-put" && told is null);
        var isRefused = told?.Answer is { IsRefusal: true } || outcome?.Answer is { IsRefusal: true };
        Assert.True(refusals.Count - refusalsBefore == (isRefused && isAboutStore && Writes.Contains(operation) ? 1 : 0),
            $"{operation} {answer.Code} is told {refusals.Count - refusalsBefore} times");

        var about = $"{operation} {answer.Code}: {outcome} {told?.Message}";
        if (answer.Step == StoreStep.Understand && (Understanding.Contains(operation) || outcome == FencedOutcome.Done))
        {
            Assert.True(told is null || told.Answer is not null, about);
            return;
        }

        var said = told?.Answer ?? outcome?.Answer;
        // The SDK cannot tell a code from the name of its status.
        Assert.True(said?.Code == answer.Code || (said?.Code == $"HTTP {response[..3]}" && response[4..]
            .Replace(" ", "", StringComparison.Ordinal).StartsWith(answer.Code, StringComparison.Ordinal)), about);
        Assert.True(said!.Sentence.Length > 10, about);
        if (told is not null)
            Assert.Contains($"{said.Code}. {said.Sentence}", told.Message, StringComparison.Ordinal);
        switch (answer.Step)
        {
            case StoreStep.Tell or StoreStep.Refuse or StoreStep.Understand:
                Assert.True(told is { IsTransient: false } || outcome == FencedOutcome.Refused, about);
                Assert.True(server.Requests == before + 1, about);
                break;
            case StoreStep.Repeat:
                Assert.True(told is { IsTransient: true } || outcome == FencedOutcome.Refused, about);
                Assert.True(server.Requests > before + 1, about);
                break;
            default:
                Assert.True(told is { IsTransient: true } || outcome == FencedOutcome.Unknown, about);
                Assert.True(server.Requests > before + 1, about);
                break;
        }
    }

    // By what follows from it alone.
    private async Task CheckStepAsync(string operation, string response, StoreAnswer answer)
    {
        var (_, store, _) = _stores.That(response, Traits.GetValueOrDefault(operation));
        var (outcome, told) = await TryAsync(operation, store);
        var about = $"{operation} {response}: {outcome} {told?.Message}";
        if (answer.Step == StoreStep.Understand && (Understanding.Contains(operation) || outcome == FencedOutcome.Done))
            Assert.True(told is null || told.Answer is not null, about);
        else
            Assert.True(answer.AsRefusal().Step switch
            {
                StoreStep.Repeat => told is { IsTransient: true } || outcome == FencedOutcome.Refused,
                StoreStep.Ask => told is { IsTransient: true } || outcome == FencedOutcome.Unknown,
                _ => told is { IsTransient: false } || outcome == FencedOutcome.Refused,
            }, about);
    }

    private static async Task<(FencedOutcome? Outcome, ObjectStoreException? Told)> TryAsync(string operation, S3ObjectStore store)
    {
        try
        {
            return (await Calls[operation](store), null);
        }
        catch (ObjectStoreException e)
        {
            return (null, e);
        }
    }

    private static async Task<FencedOutcome?> Plain(Task call)
    {
        await call;
        return null;
    }

    // Long enough for a second attempt.
    private static DateTimeOffset Fence() => DateTimeOffset.UtcNow.AddSeconds(2);

    private static string StatusOf(StoreAnswer answer) => answer.Code switch
    {
        "NoSuchKey" or "NoSuchVersion" or "NoSuchUpload" or "NoSuchBucket" or "ObjectLockConfigurationNotFoundError" => "404 Not Found",
        "PreconditionFailed" => "412 Precondition Failed",
        "InvalidRange" => "416 Range Not Satisfiable",
        "SlowDown" or "ServiceUnavailable" or "Busy" => "503 Service Unavailable",
        "InternalError" => "500 Internal Server Error",
        "NotImplemented" or "XNotImplemented" => "501 Not Implemented",
        "MethodNotAllowed" => "405 Method Not Allowed",
        "OperationAborted" or "ConditionalRequestConflict" => "409 Conflict",
        "InsufficientStorage" or "XMinioStorageFull" => "507 Insufficient Storage",
        "PermanentRedirect" => "301 Moved Permanently",
        "TemporaryRedirect" => "307 Temporary Redirect",
        _ => answer.Step == StoreStep.Tell ? "403 Forbidden" : "400 Bad Request",
    };

    private static S3ObjectStore Open(Uri endpoint) =>
        new(new S3Options { Endpoint = endpoint, Bucket = "b", AccessKey = "key", SecretKey = "secret" }, new HastyClock());

    /// <summary>The time of day, and pauses that end at once.</summary>
    private sealed class HastyClock : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, TimeSpan.Zero, period);
    }

    /// <summary>A store for each answer, and for each kind of store.</summary>
    public sealed class Stores : IAsyncLifetime
    {
        private readonly Dictionary<(string Answers, StoreTraits? Traits), (ScriptedStore Server, S3ObjectStore Store, List<StoreAnswer> Refusals)> _stores = [];

        public Task InitializeAsync() => Task.CompletedTask;

        public async Task DisposeAsync()
        {
            foreach (var (server, store, _) in _stores.Values)
            {
                store.Dispose();
                await server.DisposeAsync();
            }
        }

        internal (ScriptedStore Server, S3ObjectStore Store, List<StoreAnswer> Refusals) That(string answers, StoreTraits? traits)
        {
            if (!_stores.TryGetValue((answers, traits), out var made))
            {
                var server = new ScriptedStore(answers);
                var (store, refusals) = (Open(server.Url), new List<StoreAnswer>());
                if (traits is not null)
                    store.Adapt(traits);
                store.WriteRefused = refusals.Add;
                made = _stores[(answers, traits)] = (server, store, refusals);
            }

            return made;
        }
    }
}
