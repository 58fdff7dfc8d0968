using System.Security.Authentication;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Tokens;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Tokens;

/// <summary>When a token is read again.</summary>
public sealed class RenewableTokenTests
{
    private readonly Clock _clock = new();

    [Fact]
    public async Task A_token_is_read_again_a_minute_before_it_expires()
    {
        var source = new Source(_clock, () => Jwt.Ending(_clock.Now.AddMinutes(10)));
        var first = await source.GetAsync(default);

        _clock.Now += TimeSpan.FromMinutes(8.9);
        Assert.Equal(first, await source.GetAsync(default));
        _clock.Now += TimeSpan.FromMinutes(0.2);

        Assert.NotEqual(first, await source.GetAsync(default));
        Assert.Equal(2, source.Loads);
    }

    [Fact]
    public async Task A_token_without_an_end_is_read_once_more_when_it_is_refused()
    {
        var (text, source) = ("old", (Source?)null);
        source = new Source(_clock, () => text);
        Assert.Equal("old", await source.GetAsync(default));
        _clock.Now += TimeSpan.FromDays(9);
        Assert.Equal("old", await source.GetAsync(default));

        text = "new";
        var renewed = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => source.RenewAsync("old", default).AsTask()));

        Assert.All(renewed, Assert.True);
        Assert.Equal("new", await source.GetAsync(default));
        Assert.False(await source.RenewAsync("new", default));
        Assert.False(await source.RenewAsync("new", default));
        Assert.Equal(3, source.Loads);
    }

    [Fact]
    public async Task A_source_that_fails_while_the_token_holds_ends_nothing()
    {
        var fails = false;
        var source = new Source(_clock, () => fails ? throw new CliException(ExitCodes.Failed, "away")
            : Jwt.Ending(_clock.Now.AddMinutes(10)));
        var first = await source.GetAsync(default);

        fails = true;
        _clock.Now += TimeSpan.FromMinutes(9.5);
        Assert.Equal(first, await source.GetAsync(default));
        Assert.Equal(first, await source.GetAsync(default));
        Assert.Equal(2, source.Loads);
        _clock.Now += TimeSpan.FromMinutes(1);

        Assert.Equal("away", (await Assert.ThrowsAsync<CliException>(async () => await source.GetAsync(default))).Message);
        fails = false;
        Assert.NotEqual(first, await source.GetAsync(default));
    }

    [Theory]
    [InlineData(typeof(AuthenticationException))]
    [InlineData(typeof(IOException))]
    [InlineData(typeof(UnauthorizedAccessException))]
    [InlineData(typeof(InvalidOperationException))]
    [InlineData(typeof(OperationCanceledException))]
    public async Task Whatever_a_source_fails_by_the_token_is_used_until_its_end(Type failure)
    {
        var fails = false;
        var source = new Source(_clock, () => fails ? throw (Exception)Activator.CreateInstance(failure)!
            : Jwt.Ending(_clock.Now.AddMinutes(10)));
        var first = await source.GetAsync(default);

        fails = true;
        _clock.Now += TimeSpan.FromMinutes(9.5);
        Assert.Equal(first, await source.GetAsync(default));
        _clock.Now += TimeSpan.FromMinutes(1);

        await Assert.ThrowsAsync(failure, async () => await source.GetAsync(default));
    }

    [Fact]
    public async Task A_source_that_hangs_is_given_part_of_the_time_that_is_left_and_holds_up_nobody_else()
    {
        var (hangs, begun) = (false, new TaskCompletionSource());
        var source = new Source(_clock, () => Jwt.Ending(_clock.Now.AddMinutes(10)))
        {
            Before = async cancellationToken =>
            {
                if (!hangs)
                    return;
                begun.TrySetResult();
                await Task.Delay(Timeout.Infinite, cancellationToken);
            },
        };
        var first = await source.GetAsync(default);

        hangs = true;
        _clock.Now += TimeSpan.FromMinutes(10) - TimeSpan.FromSeconds(2);
        var renewing = source.GetAsync(default).AsTask();
        await begun.Task;
        Assert.Equal(first, await source.GetAsync(default).AsTask().WaitAsync(TimeSpan.FromMilliseconds(500)));

        Assert.Equal(first, await renewing.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task A_command_that_hangs_is_ended_while_its_former_token_still_holds()
    {
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder["token"], Jwt.Ending(_clock.Now.AddMinutes(10)));
        var source = new CommandToken($"cat {folder["token"]} && ! test -e {folder["hang"]} || sleep 600", _clock);
        var first = await source.GetAsync(default);

        await File.WriteAllTextAsync(folder["hang"], "");
        _clock.Now += TimeSpan.FromMinutes(10) - TimeSpan.FromSeconds(2);

        Assert.Equal(first, await source.GetAsync(default).AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task Who_is_interrupted_while_a_token_is_renewed_is_told_so()
    {
        using var interrupt = new CancellationTokenSource();
        var hangs = false;
        var source = new Source(_clock, () => Jwt.Ending(_clock.Now.AddMinutes(10)))
        {
            Before = cancellationToken => hangs ? Task.Delay(Timeout.Infinite, cancellationToken) : Task.CompletedTask,
        };
        await source.GetAsync(default);

        hangs = true;
        _clock.Now += TimeSpan.FromMinutes(9.5);
        var renewing = source.GetAsync(interrupt.Token).AsTask();
        await interrupt.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => renewing);
    }

    [Fact]
    public async Task A_token_that_lives_for_moments_is_not_asked_for_with_each_request()
    {
        var source = new Source(_clock, () => Jwt.Ending(_clock.Now.AddSeconds(1)));

        for (var i = 0; i < 50; i++)
            await source.GetAsync(default);

        Assert.Equal(1, source.Loads);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" \n")]
    [InlineData("secret\nanother")]
    [InlineData("sécret")]
    [InlineData("secret\u0007")]
    public void Text_that_is_no_token_is_told_and_never_shown(string text)
    {
        var error = Assert.Throws<CliException>(() => RenewableToken.Check(text, "The file"));

        Assert.Equal(ExitCodes.Usage, error.ExitCode);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
        Assert.Equal("secret", RenewableToken.Check(" secret\n", "The file"));
    }

    [Theory]
    [InlineData("a.b.c")]
    [InlineData("a.eyJleHAiOiJ4In0.c")]
    [InlineData("a.eyJleHAiOi0xfQ.c")]
    [InlineData("a.W10.c")]
    [InlineData("oc_0123456789")]
    public void A_token_that_says_no_end_has_none(string token) => Assert.Null(JwtExpiry.Of(token));

    [Fact]
    public void The_end_of_a_JWT_is_read() =>
        Assert.Equal(1_900_000_000, JwtExpiry.Of(Jwt.Ending(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000)))?.ToUnixTimeSeconds());

    private sealed class Source(TimeProvider time, Func<string> load) : RenewableToken(time)
    {
        private int _loads;

        public int Loads => _loads;

        public override string Name => "the test";

        public Func<CancellationToken, Task> Before { get; init; } = _ => Task.CompletedTask;

        protected override async Task<string> LoadAsync(CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _loads);
            await Task.Yield();
            await Before(cancellationToken);
            return load();
        }
    }

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
