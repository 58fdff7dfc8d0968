using System.Buffers;
using System.Globalization;
using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>Durations as Go writes them: <c>720h</c>, <c>1h30m</c>, <c>1.5h</c>, <c>0</c>.</summary>
internal static class GoDuration
{
    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789.");
    private static readonly (string Unit, double Seconds)[] Units = [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1),
        ("m", 60), ("h", 3600)];

    /// <exception cref="CacheProblemException">The duration is absent, malformed or negative.</exception>
    public static TimeSpan Parse(string name, string? text) =>
        TryParse(text, out var duration) ? duration
            : throw Requests.Bad(string.IsNullOrEmpty(text) ? $"{name} is missing: a duration such as 720h is wanted"
            : $"{name} is '{text}': a duration such as 720h or 1h30m is wanted, not below zero");

    public static bool TryParse(string? text, out TimeSpan duration)
    {
        duration = default;
        if (string.IsNullOrEmpty(text))
            return false;
        if (text == "0")
            return true;
        double seconds = 0;
        for (var rest = text.AsSpan(); rest.Length > 0;)
        {
            var digits = rest.IndexOfAnyExcept(Digits);
            if (digits < 1 || !double.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var count))
                return false;
            rest = rest[digits..];
            var letters = rest.IndexOfAny(Digits);
            var unit = letters < 0 ? rest : rest[..letters];
            var known = -1;
            for (var i = 0; i < Units.Length; i++)
            {
                if (unit.SequenceEqual(Units[i].Unit))
                    known = i;
            }

            if (known < 0)
                return false;
            seconds += count * Units[known].Seconds;
            rest = rest[unit.Length..];
        }

        if (seconds > DurationText.Longest.TotalSeconds)
            return false;
        duration = TimeSpan.FromSeconds(seconds);
        return true;
    }

    /// <summary>In the largest unit that needs no fraction, at most hours.</summary>
    public static string Print(double seconds) =>
        seconds % 3600 == 0 ? string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600}h")
        : seconds % 60 == 0 ? string.Create(CultureInfo.InvariantCulture, $"{seconds / 60}m")
        : string.Create(CultureInfo.InvariantCulture, $"{seconds}s");
}
