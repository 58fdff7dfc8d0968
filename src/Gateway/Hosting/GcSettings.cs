using OrleansCache.Contracts;
using OrleansCache.Core.Collect.Schedule;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Hosting;

/// <summary>The settings of the garbage collector. Without a schedule it runs only when asked.</summary>
internal static class GcSettings
{
    /// <exception cref="StartupException">A setting is wrong; the message says which, and how.</exception>
    public static GcOptions From(Func<string, string?> one)
    {
        var defaults = new GcOptions();
        var schedule = one("gc-schedule") is { } text ? Parse(text) : null;
        if (schedule is null && one("gc-jitter") is not null)
            throw new StartupException(
                "--gc-jitter is given without --gc-schedule: say when garbage is to be collected, such as '30 3 * * *'.");
        return defaults with
        {
            Schedule = schedule?.Text,
            Jitter = Duration("gc-jitter", defaults.Jitter),
            OlderThan = Duration("gc-older-than", defaults.OlderThan),
            FailedUploadsOlderThan = Duration("gc-failed-uploads-older-than", defaults.FailedUploadsOlderThan),
            Grace = Duration("gc-grace", defaults.Grace),
        };

        TimeSpan Duration(string name, TimeSpan otherwise) => one(name) is not { } given ? otherwise
            : DurationText.TryParse(given, out var duration, out var error) ? duration
            : throw new StartupException($"--{name} {error}.");
    }

    /// <summary>One line for the start: whether a schedule collects garbage, and when.</summary>
    public static string Describe(GcOptions options, DateTimeOffset now) => options.Schedule is { } schedule
        ? $"garbage collection: '{schedule}' (UTC), next at {Parse(schedule).Next(now):u}; closures are kept for " +
            $"{DurationText.Print(options.OlderThan)} after their last push"
        : "garbage collection: only when asked; --gc-schedule turns it on";

    private static CronSchedule Parse(string text) => CronSchedule.TryParse(text, out var schedule, out var error)
        ? schedule
        : throw new StartupException($"--gc-schedule '{text}' {error}.");
}
