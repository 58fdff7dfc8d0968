using System.Globalization;
using OrleansCache.Core.Collect.Schedule;
using Xunit;

namespace OrleansCache.Core.Tests.Collect;

public class CronScheduleTests
{
    [Theory]
    [InlineData("30 3 * * *", "2026-05-01T03:29:59", "2026-05-01T03:30:00")]
    [InlineData("30 3 * * *", "2026-05-01T03:30:00", "2026-05-02T03:30:00")]
    [InlineData("*/15 * * * *", "2026-12-31T23:50:00", "2027-01-01T00:00:00")]
    [InlineData("0 0 29 2 *", "2024-02-29T00:00:00", "2028-02-29T00:00:00")]
    [InlineData("0 0 29 2 *", "2096-03-01T00:00:00", "2104-02-29T00:00:00")]
    [InlineData("0 0 31 * *", "2026-03-31T00:00:00", "2026-05-31T00:00:00")]
    [InlineData("0 12 * * 7", "2026-05-01T00:00:00", "2026-05-03T12:00:00")]
    [InlineData("0 12 * * SUN", "2026-05-01T00:00:00", "2026-05-03T12:00:00")]
    [InlineData("0 12 * * sat-7", "2026-05-02T12:00:00", "2026-05-03T12:00:00")]
    [InlineData("0 0 1 jan,JUL *", "2026-02-01T00:00:00", "2026-07-01T00:00:00")]
    [InlineData("0 0 13 * fri", "2026-05-01T00:00:00", "2026-05-08T00:00:00")] // either day is enough
    [InlineData("0 0 13 * fri", "2026-05-08T00:00:00", "2026-05-13T00:00:00")]
    [InlineData("0 0 */2 * fri", "2026-05-01T00:00:00", "2026-05-15T00:00:00")] // a star restricts nothing: both must match
    [InlineData("0 0 */7 3 0", "2027-01-01T00:00:00", "2037-03-01T00:00:00")]
    [InlineData("0 0 29 2 */7", "2280-03-01T00:00:00", "2320-02-29T00:00:00")]
    [InlineData("5-20/5 8-17 * * 1-5", "2026-05-01T17:20:00", "2026-05-04T08:05:00")]
    public void The_next_time_is_that_of_cron(string expression, string after, string next) =>
        Assert.Equal(Utc(next), Parse(expression).Next(Utc(after)));

    [Theory]
    [InlineData("", "five are wanted")]
    [InlineData("* * * *", "has 4 fields")]
    [InlineData("0 30 3 * * *", "has 6 fields")]
    [InlineData("60 * * * *", "'60' as minute")]
    [InlineData("* 24 * * *", "'24' as hour")]
    [InlineData("* * 0 * *", "'0' as day of month")]
    [InlineData("* * * 13 *", "'13' as month")]
    [InlineData("* * * foo *", "a name such as feb")]
    [InlineData("* * * * 8", "'8' as day of week")]
    [InlineData("*/0 * * * *", "'*/0' as minute")]
    [InlineData("5/10 * * * *", "'5/10' as minute")]
    [InlineData("30-10 * * * *", "'30-10' as minute")]
    [InlineData("1,,2 * * * *", "'' as minute")]
    [InlineData("-1 * * * *", "'-1' as minute")]
    [InlineData("0 0 30 2 *", "never comes")]
    [InlineData("@daily", "has 1 fields")]
    public void What_is_no_expression_is_told_where_and_why(string expression, string hint)
    {
        Assert.False(CronSchedule.TryParse(expression, out _, out var error));
        Assert.Contains(hint, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_expression_gives_the_times_that_a_walk_over_the_minutes_finds()
    {
        for (var seed = 0; seed < 150; seed++)
        {
            var random = new Random(seed);
            var fields = new[] { Field(random, 0, 59), Field(random, 0, 23), Field(random, 1, 31), Field(random, 1, 12),
                Field(random, 0, 7) };
            var expression = string.Join(' ', fields.Select(f => f.Text));
            var at = Utc("2027-01-01T00:00:00").AddMinutes(random.Next(0, 3 * 366 * 1440)).AddSeconds(random.Next(60));
            if (!CronSchedule.TryParse(expression, out var schedule, out _))
                continue; // the 31st of February

            for (var times = 0; times < 5; times++)
            {
                var next = schedule.Next(at);
                Assert.True(next > at, $"seed {seed}: {expression} after {at:O} gave {next:O}");
                Assert.True(Matches(fields, next.Value) && next.Value.Second == 0, $"seed {seed}: {expression} does not match {next:O}");
                var walked = at.AddTicks(-(at.Ticks % TimeSpan.TicksPerMinute)).AddMinutes(1);
                for (var steps = 0; walked < next && steps < 50_000; walked = walked.AddMinutes(1), steps++)
                    Assert.False(Matches(fields, walked), $"seed {seed}: {expression} after {at:O} gave {next:O} and skipped {walked:O}");
                at = next.Value;
            }
        }
    }

    // Every value that a field matches, by the definition.
    private static (string Text, HashSet<int> Values) Field(Random random, int least, int most)
    {
        if (random.Next(3) == 0)
            return ("*", [.. Enumerable.Range(least, most - least + 1)]);
        var values = new HashSet<int>();
        var items = new List<string>();
        for (var count = random.Next(1, 4); count > 0; count--)
        {
            var from = random.Next(least, most + 1);
            var to = random.Next(from, most + 1);
            var step = random.Next(1, 5);
            switch (random.Next(4))
            {
                case 0:
                    items.Add($"{from}");
                    values.Add(from);
                    break;
                case 1:
                    items.Add($"{from}-{to}");
                    values.UnionWith(Enumerable.Range(from, to - from + 1));
                    break;
                case 2:
                    items.Add($"{from}-{to}/{step}");
                    values.UnionWith(Enumerable.Range(from, to - from + 1).Where(v => (v - from) % step == 0));
                    break;
                default:
                    items.Add($"*/{step}");
                    values.UnionWith(Enumerable.Range(least, most - least + 1).Where(v => (v - least) % step == 0));
                    break;
            }
        }

        return (string.Join(',', items), values);
    }

    private static bool Matches((string Text, HashSet<int> Values)[] fields, DateTimeOffset time)
    {
        var day = fields[2].Values.Contains(time.Day);
        var weekday = fields[4].Values.Contains((int)time.DayOfWeek)
            || (time.DayOfWeek == DayOfWeek.Sunday && fields[4].Values.Contains(7));
        return fields[0].Values.Contains(time.Minute) && fields[1].Values.Contains(time.Hour) && fields[3].Values.Contains(time.Month)
            && (fields[2].Text[0] == '*' || fields[4].Text[0] == '*' ? day && weekday : day || weekday);
    }

    private static CronSchedule Parse(string expression) => CronSchedule.TryParse(expression, out var schedule, out var error) ? schedule
        : throw new FormatException(error);

    private static DateTimeOffset Utc(string text) =>
        DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
}
