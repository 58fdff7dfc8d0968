using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Core.Gc;
using OrleansCache.Core.Pushes;
using OrleansCache.Nix;
using OrleansCache.Protocol;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Gc;

public sealed class GcSchedulerTests
{
    private static readonly TimeSpan Jitter = TimeSpan.FromMinutes(5);
    private readonly ManualClock _clock = new(Utc("2026-05-01T00:00:00"));

    [Fact]
    public async Task A_run_is_started_at_each_time_that_is_due_and_no_later_than_the_jitter()
    {
        var collection = new Recorder(_clock);
        await using var process = Process.Start(collection, _clock);

        await UntilAsync(() => collection.Calls.Count == 3);

        Assert.Equal(["schedule:2026-05-01T03:30Z", "schedule:2026-05-02T03:30Z", "schedule:2026-05-03T03:30Z"], collection.Calls.Select(c => c.Operation));
        foreach (var (operation, at) in collection.Calls)
            Assert.InRange(at - Utc(operation["schedule:".Length..].Replace("Z", ":00", StringComparison.Ordinal)), TimeSpan.Zero, Jitter + TimeSpan.FromMilliseconds(1));
        Assert.All(collection.Requests, r => Assert.Equal(new GcRequest(), r));
    }

    [Fact]
    public async Task Processes_with_different_jitters_name_the_run_alike_so_that_it_is_started_once()
    {
        var collection = new Recorder(_clock);
        await using var first = Process.Start(collection, _clock);
        await using var second = Process.Start(collection, _clock);

        await UntilAsync(() => collection.Calls.Count == 4);

        Assert.Equal(["schedule:2026-05-01T03:30Z", "schedule:2026-05-02T03:30Z"], collection.Calls.Select(c => c.Operation).Distinct());
    }

    [Fact]
    public async Task A_time_that_comes_while_a_run_is_under_way_is_skipped()
    {
        var collection = new Recorder(_clock) { Failure = n => n == 1 ? new CacheProblemException(ProblemKind.GcRunning, "Run 3 is under way.") : null };
        await using var process = Process.Start(collection, _clock);

        await UntilAsync(() => collection.Calls.Count == 2);

        Assert.Equal(["schedule:2026-05-01T03:30Z", "schedule:2026-05-02T03:30Z"], collection.Calls.Select(c => c.Operation));
    }

    [Fact]
    public async Task A_run_that_cannot_be_started_is_tried_again_under_the_same_name()
    {
        var collection = new Recorder(_clock) { Failure = n => n <= 2 ? new CacheProblemException(ProblemKind.Unavailable, "no database") : null };
        await using var process = Process.Start(collection, _clock);

        await UntilAsync(() => collection.Calls.Count == 4);

        Assert.Equal([3, 1], collection.Calls.GroupBy(c => c.Operation).Select(g => g.Count()));
    }

    [Fact]
    public async Task It_stops_when_it_is_told_to()
    {
        var collection = new Recorder(_clock);
        var process = Process.Start(collection, _clock);
        await Eventually.BecomesTrueAsync(() => _clock.Next is not null);

        await process.DisposeAsync();

        Assert.Null(_clock.Next);
        Assert.Empty(collection.Calls);
    }

    [Theory]
    [InlineData("schedule:2026-05-01T03:30Z", true)]
    [InlineData("SCHEDULE:x", true)]
    [InlineData("job-schedule:x", false)]
    public void Operations_of_the_schedule_are_known_by_their_name(string text, bool scheduled)
    {
        Assert.True(OperationId.TryParse(text, out var operation));
        Assert.Equal(scheduled, GcScheduler.IsScheduled(operation));
    }

    // Lets time pass from timer to timer.
    private Task UntilAsync(Func<bool> condition) => Eventually.BecomesTrueAsync(() =>
    {
        while (!condition())
        {
            // Nobody waits: somebody is at work.
            if (_clock.Next is not { } next)
                return false;
            _clock.MoveTo(next);
        }

        return true;
    });

    private static DateTimeOffset Utc(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    private sealed class Process(CancellationTokenSource stopping, Task running) : IAsyncDisposable
    {
        public static Process Start(IGarbageCollection collection, TimeProvider clock)
        {
            Assert.True(CronSchedule.TryParse("30 3 * * *", out var schedule, out _));
            var stopping = new CancellationTokenSource();
            return new Process(stopping, new GcScheduler(collection, schedule, Jitter, clock, NullLogger.Instance).RunAsync([CacheName.Default], stopping.Token));
        }

        public async ValueTask DisposeAsync()
        {
            await stopping.CancelAsync();
            await running;
            stopping.Dispose();
        }
    }

    private sealed class Recorder(ManualClock clock) : IGarbageCollection
    {
        private readonly Lock _lock = new();
        private readonly List<(string Operation, DateTimeOffset At)> _calls = [];

        /// <summary>What the call of this number, from 1, fails with.</summary>
        public Func<int, Exception?> Failure { get; init; } = _ => null;

        public List<GcRequest> Requests { get; } = [];

        public IReadOnlyList<(string Operation, DateTimeOffset At)> Calls
        {
            get
            {
                lock (_lock)
                    return [.. _calls];
            }
        }

        public Task<GcRun> StartAsync(CacheName cache, Caller caller, GcRequest request, OperationId operation, CancellationToken cancel)
        {
            lock (_lock)
            {
                _calls.Add((operation.Value, clock.GetUtcNow()));
                Requests.Add(request);
                return Failure(_calls.Count) is { } failure ? Task.FromException<GcRun>(failure) : Task.FromResult(new GcRun
                {
                    Id = 1,
                    State = GcState.Running,
                    Phase = "starting",
                    Scheduled = true,
                    DryRun = false,
                    Started = clock.GetUtcNow(),
                    OlderThanSeconds = 0,
                    FailedUploadsOlderThanSeconds = 0,
                    GraceSeconds = 0,
                    Paths = 0,
                    Objects = 0,
                    FailedUploadsDeleted = 0,
                    OldClosuresDeleted = 0,
                    ObjectsMarkedForDeletion = 0,
                    ObjectsDeletedAfterGracePeriod = 0,
                    ObjectsFailedToDelete = 0,
                    BytesFreed = 0,
                });
            }
        }

        public Task<GcRun> RunAsync(CacheName cache, long run, CancellationToken cancel) => throw new NotSupportedException();

        public Task<GcStatus> StatusAsync(CacheName cache, CancellationToken cancel) => throw new NotSupportedException();

        public Task<GcHistory> HistoryAsync(CacheName cache, int limit, CancellationToken cancel) => throw new NotSupportedException();

        public Task<GcRun?> CancelAsync(CacheName cache, CancellationToken cancel) => throw new NotSupportedException();

        public Task<WhyAnswer> WhyAsync(CacheName cache, StorePathHash path, CancellationToken cancel) => throw new NotSupportedException();
    }
}
