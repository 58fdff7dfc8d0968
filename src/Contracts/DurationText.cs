using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace OrleansCache.Contracts;

/// <summary>
/// A duration as a person writes it, for client and server: a whole number and a unit, <c>90s</c>, <c>15m</c>, <c>6h</c> or <c>30d</c>.
/// </summary>
public static class DurationText
{
    /// <summary>A hundred years; for "never" each option has another form.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(36_500);

    /// <param name="text">The text.</param>
    /// <param name="duration">Its duration.</param>
    /// <param name="error">What is wrong and what to write: the end of a sentence that begins with the option's name.</param>
    public static bool TryParse(string text, out TimeSpan duration, [NotNullWhen(false)] out string? error)
    {
        duration = default;
        error = null;
        var trimmed = text.Trim();
        if (long.TryParse(trimmed, NumberStyles.None, CultureInfo.InvariantCulture, out var bare))
        {
            error = $"is '{text}', which lacks its unit: write {bare}s for seconds, or use m, h or d";
            return false;
        }

        double seconds = trimmed is [.., var unit] ? unit switch
        {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => 0,
        }
        : 0;
        if (seconds == 0 || !long.TryParse(trimmed.AsSpan(0, trimmed.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture,
            out var count))
        {
            error = $"is '{text}': a number and a unit are wanted, such as 90s, 15m, 6h or 30d";
            return false;
        }

        if (count * seconds > Longest.TotalSeconds)
        {
            error = $"is '{text}': {Longest.TotalDays:0}d is the longest";
            return false;
        }

        duration = TimeSpan.FromSeconds(count * seconds);
        return true;
    }

    /// <summary>In the largest unit that needs no fraction.</summary>
    public static string Print(TimeSpan duration)
    {
        var seconds = (long)duration.TotalSeconds;
        var (count, unit) = seconds switch
        {
            0 => (0, 's'),
            _ when seconds % 86400 == 0 => (seconds / 86400, 'd'),
            _ when seconds % 3600 == 0 => (seconds / 3600, 'h'),
            _ when seconds % 60 == 0 => (seconds / 60, 'm'),
            _ => (seconds, 's'),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{count}{unit}");
    }
}
