using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Core.Collect.Schedule;
using OrleansCache.Core.Common;
using Xunit;

namespace OrleansCache.Core.Tests.Collect;

public sealed class GcScheduleTests
{
    private static readonly TimeSpan Tick = TimeSpan.FromMinutes(1);
    private static readonly GcOptions Nightly = new() { Schedule = "30 3 * * *", Jitter = TimeSpan.FromMinutes(5) };

    [Fact]
    public void Ticks_of_a_week_name_seven_runs_each_due_no_earlier_than_its_time_and_no_later_than_the_jitter()
    {
        var first = new Dictionary<string, DateTimeOffset>();
        for (var now = Utc("2026-05-01T00:00:17"); now < Utc("2026-05-08T00:00:00"); now += Tick)
        {
            if (GcSchedule.DueBy(Nightly, now, 2 * Tick) is { } operation)
                first.TryAdd(operation.Value, now);
        }

        Assert.Equal(Enumerable.Range(1, 7)
            .Select(day => string.Create(CultureInfo.InvariantCulture, $"schedule:2026-05-0{day}T03:30Z")), first.Keys);
        Assert.All(first.Values, at => Assert.InRange(at.TimeOfDay, new TimeSpan(3, 30, 0), new TimeSpan(3, 35, 0) + Tick));
        // They are spread, as many servers share a store.
        Assert.True(first.Values.Select(at => at.TimeOfDay).Distinct().Count() > 1);
    }

    [Fact]
    public void A_silo_that_starts_long_after_the_time_makes_up_for_nothing() =>
        Assert.Null(GcSchedule.DueBy(Nightly, Utc("2026-05-01T04:00:00"), 2 * Tick));

    [Fact]
    public void Without_a_schedule_nothing_is_due() => Assert.Null(GcSchedule.DueBy(new GcOptions(), Utc("2026-05-01T03:31:00"), 2 * Tick));

    [Theory]
    [InlineData("schedule:2026-05-01T03:30Z", true)]
    [InlineData("SCHEDULE:x", true)]
    [InlineData("job-schedule:x", false)]
    public void Operations_of_the_schedule_are_known_by_their_name(string text, bool scheduled)
    {
        Assert.True(OperationId.TryParse(text, out var operation));
        Assert.Equal(scheduled, GcSchedule.IsScheduled(operation));
    }

    private static DateTimeOffset Utc(string text) =>
        DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
}
