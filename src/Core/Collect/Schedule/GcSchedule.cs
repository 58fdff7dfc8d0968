using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;

namespace OrleansCache.Core.Collect.Schedule;

/// <summary>Tells an outside timer which scheduled run is due. The run's operation is named after its time.</summary>
public static class GcSchedule
{
    /// <summary>The prefix of the operations of scheduled runs.</summary>
    public const string Prefix = "schedule:";

    /// <summary>
    /// The run that was due within the window before now, or null. It begins up to the jitter later; the delay is drawn from the run's
    /// time, so every caller computes the same one.
    /// </summary>
    public static OperationId? DueBy(GcOptions options, DateTimeOffset now, TimeSpan window)
    {
        if (Parse(options)?.Next(now - window - options.Jitter) is not { } due)
            return null;
        var draw = SHA256.HashData(Encoding.UTF8.GetBytes(Name(due)))[0] / 256d;
        return due + (options.Jitter * draw) <= now ? Operation(due) : null;
    }

    /// <summary>Null: runs begin only when somebody asks.</summary>
    /// <exception cref="FormatException">The schedule is no cron expression.</exception>
    internal static CronSchedule? Parse(GcOptions options) => options.Schedule is not { } text ? null
        : CronSchedule.TryParse(text, out var schedule, out var error) ? schedule
        : throw new FormatException($"The schedule '{text}' {error}.");

    internal static OperationId Operation(DateTimeOffset due) => OperationId.TryParse(Name(due), out var operation)
        ? operation
        : throw new InvalidOperationException($"'{Name(due)}' is no operation");

    /// <summary>Clients may not use such a name.</summary>
    public static bool IsScheduled(OperationId operation) => operation.Value.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase);

    private static string Name(DateTimeOffset due) => Prefix + due.ToString("yyyy-MM-dd'T'HH:mm'Z'", CultureInfo.InvariantCulture);
}
