using System.Net;
using System.Net.Sockets;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using Xunit;

namespace OrleansCache.Cli.Tests;

public class RetryPolicyTests
{
    private readonly List<TimeSpan> _delays = [];

    private RetryPolicy Policy => new()
    {
        Patience = TimeSpan.FromSeconds(60),
        Delay = (delay, _) =>
        {
            _delays.Add(delay);
            return Task.CompletedTask;
        },
    };

    [Fact]
    public async Task Delays_grow_and_jitter_below_the_ceiling()
    {
        var error = await Assert.ThrowsAsync<CliException>(() => Policy.RunAsync<int>("asking", _ => throw new IOException("reset"),
            CancellationToken.None));

        Assert.Equal(ExitCodes.Unreachable, error.ExitCode);
        Assert.All(_delays.Index(), delay => Assert.InRange(delay.Item.TotalMilliseconds,
            Math.Min(10_000, 200 * Math.Pow(2, delay.Index)) / 2, Math.Min(10_000, 200 * Math.Pow(2, delay.Index))));
        Assert.True(_delays.Count > 6);
        Assert.True(_delays.Aggregate((a, b) => a + b) <= TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task What_is_told_of_an_attempt_ends_without_a_full_stop_as_more_follows()
    {
        var told = "";
        var policy = Policy with { OnRetry = (what, _) => told = what };

        await policy.RunAsync("begin", _ => told.Length == 0 ? throw new TransientException("It is full. Wait.") : Task.FromResult(1),
            CancellationToken.None);

        Assert.Equal("begin: It is full. Wait", told);
    }

    [Fact]
    public async Task A_connection_that_is_reset_while_it_is_made_is_tried_again()
    {
        var tries = 0;

        var answer = await Policy.RunAsync("asking", _ => ++tries == 1 ? throw new SocketException((int)SocketError.NotConnected)
            : Task.FromResult(tries), CancellationToken.None);

        Assert.Equal(2, answer);
    }

    [Fact]
    public async Task The_server_may_ask_for_more_patience()
    {
        var tries = 0;

        var answer = await Policy.RunAsync("asking", _ => ++tries == 1 ? throw new TransientException("busy", TimeSpan.FromSeconds(7))
            : Task.FromResult(tries), CancellationToken.None);

        Assert.Equal(2, answer);
        Assert.Equal([TimeSpan.FromSeconds(7)], _delays);
    }

    [Fact]
    public async Task A_server_that_fails_each_time_is_not_asked_for_minutes()
    {
        var tries = 0;

        await Assert.ThrowsAsync<CliException>(() => Policy.RunAsync<int>("asking", _ =>
            throw new TransientException($"{++tries}", exitCode: ExitCodes.Failed) { LooksLikeABug = true }, CancellationToken.None));

        Assert.Equal(5, tries);
    }

    [Fact]
    public async Task Another_error_is_not_tried_again()
    {
        await Assert.ThrowsAsync<CacheException>(() =>
            Policy.RunAsync<int>("asking", _ => throw new CacheException(HttpStatusCode.Forbidden, null, "no"), CancellationToken.None));

        Assert.Empty(_delays);
    }

    [Fact]
    public async Task An_interrupt_is_not_a_timeout()
    {
        using var interrupt = new CancellationTokenSource();

        await Assert.ThrowsAsync<OperationCanceledException>(() => Policy.RunAsync<int>("asking", async c =>
        {
            await interrupt.CancelAsync();
            c.ThrowIfCancellationRequested();
            return 1;
        }, interrupt.Token));

        Assert.Empty(_delays);
    }

    [Theory]
    [InlineData(408, true)]
    [InlineData(429, true)]
    [InlineData(500, true)]
    [InlineData(503, true)]
    [InlineData(501, false)]
    [InlineData(404, false)]
    [InlineData(409, false)]
    public void Only_what_may_pass_is_transient(int status, bool transient) =>
        Assert.Equal(transient, RetryPolicy.IsTransient((HttpStatusCode)status));
}
