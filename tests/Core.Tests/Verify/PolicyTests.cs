using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Verify;

/// <summary>A server starts with another policy than the one before it.</summary>
public sealed class PolicyTests
{
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
