using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace OrleansCache.Core.Collect.Schedule;

/// <summary>
/// A cron expression of five fields (minute, hour, day of month, month, day of week), in UTC. As in cron, when both days are restricted
/// either of them is enough; a field that begins with <c>*</c> restricts nothing for this. Cronos wants both
/// (<c>findings/cronos-joins-restricted-days.sh</c>).
/// </summary>
public sealed class CronSchedule
{
    // The next 29 February may be eight years away (1896, 1904); on a given weekday, which "*/7" adds, forty (a Sunday: 2280, 2320).
    private const int MaxYears = 40;

    private static readonly string[] Months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    private static readonly string[] Days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

    // One bit for each value that matches.
    private readonly ulong _minutes, _hours, _days, _months, _weekdays;
    private readonly bool _eitherDay;

    private CronSchedule(string text, CronField minute, CronField hour, CronField day, CronField month, CronField weekday)
    {
        Text = text;
        (_minutes, _hours, _days, _months) = (minute.Bits, hour.Bits, day.Bits, month.Bits);
        _weekdays = (weekday.Bits | weekday.Bits >> 7) & 0x7f; // 7 is Sunday too
        _eitherDay = !day.IsStar && !weekday.IsStar;
    }

    /// <summary>The expression, with single spaces.</summary>
    public string Text { get; }

    /// <param name="text">Five fields: lists, ranges, steps, and English names of months and days.</param>
    /// <param name="schedule">The schedule.</param>
    /// <param name="error">What is wrong: the end of a sentence that begins with the expression.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out CronSchedule? schedule, [NotNullWhen(false)] out string? error)
    {
        schedule = null;
        var fields = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length != 5)
        {
            error = $"has {fields.Length} fields; five are wanted: minute, hour, day of month, month, day of week, such as '30 3 * * *'";
            return false;
        }

        if (!CronField.TryParse("minute", fields[0], 0, 59, [], out var minute, out error)
            || !CronField.TryParse("hour", fields[1], 0, 23, [], out var hour, out error)
            || !CronField.TryParse("day of month", fields[2], 1, 31, [], out var day, out error)
            || !CronField.TryParse("month", fields[3], 1, 12, Months, out var month, out error)
            || !CronField.TryParse("day of week", fields[4], 0, 7, Days, out var weekday, out error))
            return false;
        var parsed = new CronSchedule(string.Join(' ', fields), minute, hour, day, month, weekday);
        if (parsed.Next(DateTimeOffset.UnixEpoch) is null)
        {
            error = "never comes: no such month has such a day";
            return false;
        }

        schedule = parsed;
        return true;
    }

    /// <summary>The first time that matches and is later than <paramref name="after"/>; null when there is none.</summary>
    public DateTimeOffset? Next(DateTimeOffset after)
    {
        var start = after.UtcDateTime;
        var day = start.Date;
        var last = day.Year <= DateTime.MaxValue.Year - MaxYears - 1 ? day.AddYears(MaxYears + 1) : DateTime.MaxValue.Date;
        // The rest of the first day; then whole days, or whole months where the month does not match.
        if (Matches(day) && TimeOfDay((int)start.TimeOfDay.TotalMinutes + 1) is { } today)
            return new DateTimeOffset(day.AddMinutes(today), TimeSpan.Zero);
        while (day < last)
        {
            day = Has(_months, day.Month) ? day.AddDays(1) : new DateTime(day.Year, day.Month, 1, 0, 0, 0, DateTimeKind.Utc).AddMonths(1);
            if (Matches(day))
                return new DateTimeOffset(DateTime.SpecifyKind(day.AddMinutes(TimeOfDay(0)!.Value), DateTimeKind.Utc));
        }

        return null;
    }

    public override string ToString() => Text;

    private static bool Has(ulong bits, int value) => (bits >> value & 1) != 0;

    // The lowest bit from this one on; null when there is none.
    private static int? From(ulong bits, int least)
    {
        var rest = least < 64 ? bits >> least << least : 0;
        return rest == 0 ? null : BitOperations.TrailingZeroCount(rest);
    }

    private bool Matches(DateTime day)
    {
        if (!Has(_months, day.Month))
            return false;
        var (ofMonth, ofWeek) = (Has(_days, day.Day), Has(_weekdays, (int)day.DayOfWeek));
        return _eitherDay ? ofMonth || ofWeek : ofMonth && ofWeek;
    }

    // The first matching minute of a day that is not before this one.
    private int? TimeOfDay(int least)
    {
        var hour = From(_hours, least / 60);
        if (hour == least / 60)
        {
            if (From(_minutes, least % 60) is { } minute)
                return hour * 60 + minute;
            hour = From(_hours, least / 60 + 1);
        }

        return hour * 60 + From(_minutes, 0);
    }
}
