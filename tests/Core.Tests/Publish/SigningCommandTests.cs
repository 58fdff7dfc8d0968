using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Publish;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Publish;

/// <summary>Keys that another program has.</summary>
public sealed class SigningCommandTests : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly ListLog _log = new();
    private OutsideSigner _program = null!;

    public async Task InitializeAsync() => _program = await OutsideSigner.StartAsync();

    public async Task DisposeAsync() => await _program.DisposeAsync();

    [Fact]
    public async Task Fingerprints_are_signed_in_batches_and_in_their_order()
    {
        await using var signer = await StartAsync();
        string[] fingerprints = [.. Enumerable.Range(0, 1200).Select(i => $"1;/nix/store/{i};sha256:x;1;"), new string('r', 900_000), "last"];

        var signatures = await Task.WhenAll(signer.SignAsync(fingerprints, None), signer.SignAsync(["another"], None));

        Assert.Equal(_program.Key.PublicKey, signer.PublicKey);
        Assert.Equal(fingerprints.Select(_program.Key.Sign), signatures[0]);
        Assert.Equal([_program.Key.Sign("another")], signatures[1]);
        Assert.Equal([1, 1, 1, .. Enumerable.Repeat(100, 12)], _program.Requests.Order());
        Assert.Equal(1, _program.Starts);
    }

    public static TheoryData<string, string> Answers => new()
    {
        { """{"signatures":["outside-1:AAAA"]}""", "that is not valid for '1;a'" },
        { """{"signatures":[]}""", "answered 0 signatures for 1 fingerprints" },
        { """{"error":"the card is not there"}""", "says 'the card is not there'" },
        { "{}", "says 'neither signatures nor an error'" },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task What_is_no_signature_is_a_refusal_that_may_be_repeated(string answer, string told)
    {
        await using var signer = await StartAsync();
        var right = _program.Answer;
        _program.Answer = _ => JsonNode.Parse(answer)!.AsObject();

        var refusal = await Assert.ThrowsAsync<CacheProblemException>(() => signer.SignAsync(["1;a"], None));

        Assert.Equal(ProblemKind.Unavailable, refusal.Kind);
        // The command and its words are the operator's.
        Assert.Contains(_log.Lines, line => line.Contains(told, StringComparison.Ordinal));
        Assert.DoesNotContain("oc-signer", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(told, refusal.Message, StringComparison.Ordinal);
        _program.Answer = right;
        Assert.Equal([_program.Key.Sign("1;a")], await signer.SignAsync(["1;a"], None));
    }

    [Fact]
    public async Task A_signature_of_another_fingerprint_is_not_taken()
    {
        await using var signer = await StartAsync();
        _program.Answer = asked => new JsonObject { ["signatures"] = new JsonArray([.. asked.Select(_ => (JsonNode)_program.Key.Sign("1;b"))]) };

        await Assert.ThrowsAsync<CacheProblemException>(() => signer.SignAsync(["1;b", "1;a"], None));
    }

    [Fact]
    public async Task A_program_that_dies_is_started_again()
    {
        await using var signer = await StartAsync();
        _program.Answer = _ =>
        {
            _program.Die();
            return null;
        };
        await Assert.ThrowsAsync<CacheProblemException>(() => signer.SignAsync(["1;a"], None));
        Assert.Contains(_log.Lines, line => line.Contains("has ended", StringComparison.Ordinal));

        _program.Answer = asked => new JsonObject { ["signatures"] = new JsonArray([.. asked.Select(f => (JsonNode)_program.Key.Sign(f))]) };
        await Eventually.BecomesTrueAsync(async () =>
        {
            try
            {
                return (await signer.SignAsync(["1;a"], None))[0] == _program.Key.Sign("1;a");
            }
            catch (CacheProblemException)
            {
                return false;
            }
        });
        Assert.Equal(2, _program.Starts);
    }

    [Fact]
    public async Task A_program_that_comes_back_with_another_key_signs_nothing()
    {
        await using var signer = await StartAsync();
        var other = Nix.SecretKey.Generate("outside-2");
        _program.Named = other.PublicKey.ToString();
        _program.Answer = asked => new JsonObject { ["signatures"] = new JsonArray([.. asked.Select(f => (JsonNode)other.Sign(f))]) };
        _program.Die();

        await Eventually.BecomesTrueAsync(async () =>
        {
            await Assert.ThrowsAsync<CacheProblemException>(() => signer.SignAsync(["1;a"], None));
            return _log.Lines.Any(line => line.Contains("names another key than before", StringComparison.Ordinal));
        });
    }

    [Fact]
    public async Task A_program_that_hangs_is_ended_and_one_that_is_slow_is_waited_for()
    {
        var clock = new TimerClock();
        await using var signer = await SigningCommand.StartAsync(_program.Command, _log, clock, None);
        var right = _program.Answer;
        var isAsked = new SemaphoreSlim(0);
        _program.Answer = asked =>
        {
            isAsked.Release();
            return asked[0] == "1;hangs" ? null : right(asked);
        };

        var hanging = signer.SignAsync(["1;hangs"], None);
        await isAsked.WaitAsync();
        clock.Move(TimeSpan.FromSeconds(20));
        await signer.SignAsync(["1;a"], None);
        clock.Move(TimeSpan.FromSeconds(20));
        await signer.SignAsync(["1;a"], None);
        Assert.False(hanging.IsCompleted);
        await Eventually.BecomesTrueAsync(() =>
        {
            clock.Move(TimeSpan.FromSeconds(31));
            return Task.FromResult(hanging.IsCompleted);
        });

        await Assert.ThrowsAsync<CacheProblemException>(() => hanging);
        Assert.Contains(_log.Lines, line => line.Contains("answered nothing for 30 s", StringComparison.Ordinal));
        clock.Move(TimeSpan.FromSeconds(2));
        Assert.Equal([_program.Key.Sign("1;a")], await signer.SignAsync(["1;a"], None));
    }

    [Fact]
    public async Task Who_gives_up_half_way_through_a_line_leaves_it_whole()
    {
        await using var signer = await StartAsync();
        var right = _program.Answer;
        using var gate = new ManualResetEventSlim();
        var isAsked = new SemaphoreSlim(0);
        _program.Answer = asked =>
        {
            isAsked.Release();
            gate.Wait();
            return right(asked);
        };
        var first = signer.SignAsync(["1;a"], None);
        await isAsked.WaitAsync();

        // The pipe takes a part of it, as the program is not reading.
        using var gone = new CancellationTokenSource();
        var second = signer.SignAsync([new string('r', 900_000)], gone.Token);
        await Task.Delay(50); // Nothing tells when the pipe is full; sooner, the line has not been begun, which is right as well.
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        var third = signer.SignAsync(["1;c"], None);
        gate.Set();

        Assert.Equal([_program.Key.Sign("1;a")], await first);
        Assert.Equal([_program.Key.Sign("1;c")], await third);
        Assert.Equal(1, _program.Starts);
    }

    [Theory]
    [InlineData("exit 3", "ended before it named its key")]
    [InlineData("echo a key; cat", "has to name its key in its first line")]
    [InlineData("echo '{\"publicKey\":\"x\"}'; cat", "has to name its key in its first line")]
    public async Task Who_names_no_key_is_not_started(string command, string told)
    {
        var refusal = await Assert.ThrowsAsync<StartupException>(() => SigningCommand.StartAsync(command, NullLogger.Instance,
            TimeProvider.System, None));

        Assert.Contains(told, refusal.Message, StringComparison.Ordinal);
        Assert.StartsWith($"The signing command '{command}' ", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whether_the_program_signs_is_known_before_anybody_pushes_and_told_in_the_log_once()
    {
        var clock = new TimerClock();
        await using var signer = await SigningCommand.StartAsync(_program.Command, _log, clock, None);
        var right = _program.Answer;
        await Eventually.BecomesTrueAsync(async () => await signer.FindTroubleAsync(None) is null && !_program.Requests.IsEmpty);
        // While it has signed lately it is not asked.
        Assert.Null(await signer.FindTroubleAsync(None));
        Assert.Single(_program.Requests);

        _program.Answer = _ => new JsonObject { ["error"] = "no card" };
        clock.Move(TimeSpan.FromMinutes(1));
        await Eventually.BecomesTrueAsync(async () => await signer.FindTroubleAsync(None) is not null);
        var trouble = (await signer.FindTroubleAsync(None))!;
        var refusal = await Assert.ThrowsAsync<CacheProblemException>(() => signer.SignAsync(["1;a"], None));

        // What the log has is no exception, and its words are not for clients.
        Assert.Null(refusal.InnerException);
        Assert.DoesNotContain("card", trouble + refusal.Message, StringComparison.Ordinal);
        Assert.Contains("the server's log says why", trouble, StringComparison.Ordinal);
        Assert.Contains("says 'no card', so pushes are answered 503: mend the program",
            Assert.Single(_log.Lines, line => line.Contains("no card", StringComparison.Ordinal)), StringComparison.Ordinal);
        _program.Answer = right;
        await Eventually.BecomesTrueAsync(async () => await signer.FindTroubleAsync(None) is null);
        Assert.Contains(_log.Lines, line => line.Contains("signs again", StringComparison.Ordinal));
    }

    private Task<SigningCommand> StartAsync() => SigningCommand.StartAsync(_program.Command, _log, TimeProvider.System, None);
}
